import type { Consumer } from 'kafkajs'
import { consumedRecord, groupName, plainKafka } from '../support/kafka/consume.ts'
import type { ConsumedRecord } from './checker.ts'

/** A new partition is seen after so long, ms. */
const METADATA_AGE_MS = 1_000

/**
 * A consumer that reads all the time, in a group of its own, through whatever happens to the brokers. What it is given once more after such an
 * event (a consumer's own offsets are at least once) has to be what it was given before.
 */
export class LiveReader {
  readonly #from: { readonly brokers: readonly string[]; readonly topic: string }
  #consumer: Consumer
  readonly #byPlace = new Map<string, ConsumedRecord>()
  readonly #values = new Set<string>()
  readonly #contradictions: string[] = []

  private constructor(from: { brokers: readonly string[]; topic: string }) {
    this.#from = from
    this.#consumer = consumerOf(from.brokers)
  }

  static async start(brokers: readonly string[], topic: string): Promise<LiveReader> {
    const reader = new LiveReader({ brokers, topic })
    await reader.#run()
    return reader
  }

  /**
   * Begins anew, in a group of its own and with the first record: kafkajs's consumer may wait for ever for a broker that was frozen. What it is given once more is compared with
   * what it was given before.
   */
  async renew(): Promise<void> {
    // One that is stuck does not end either.
    void this.#consumer.disconnect().catch(() => {})
    this.#consumer = consumerOf(this.#from.brokers)
    await this.#run()
  }

  async #run(): Promise<void> {
    const consumer = this.#consumer
    await consumer.connect()
    await consumer.subscribe({ topic: this.#from.topic, fromBeginning: true })
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) this.#take(consumedRecord(batch.partition, message))
      },
    })
  }

  /** Whether a record of this value was read. */
  hasSeen(value: string): boolean {
    return this.#values.has(value)
  }

  get read(): number {
    return this.#byPlace.size
  }

  /** What it read, by partition and offset. */
  records(): ConsumedRecord[] {
    return [...this.#byPlace.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  }

  /** Places where it was given one thing first and another later. */
  get contradictions(): readonly string[] {
    return this.#contradictions
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect()
  }

  #take(record: ConsumedRecord): void {
    const place = `${record.partition}/${record.offset}`
    const before = this.#byPlace.get(place)
    if (before && !sameValue(before.value, record.value))
      this.#contradictions.push(`${place}: first "${before.value?.subarray(0, 40)}", then "${record.value?.subarray(0, 40)}"`)
    this.#byPlace.set(place, record)
    if (record.value) this.#values.add(record.value.toString('latin1'))
  }
}

function consumerOf(brokers: readonly string[]): Consumer {
  return plainKafka(brokers).consumer({
    groupId: groupName(),
    metadataMaxAge: METADATA_AGE_MS,
    retry: { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: 1_000 },
  })
}

function sameValue(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b)
}
