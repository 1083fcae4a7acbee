import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { produce } from './apis.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'
import { encodeKeyed, type KeyedRecord } from './keyed-batch.ts'

const APPEND_LIMIT_MS = 8_000
/** Keys and values in one batch: far under what a broker takes unless somebody has lowered that. One record may have more by itself. */
const BATCH_BYTES_MAX = 64 * 1024

/** Writes records of the core's own to partition 0 of a topic, acks=all, as no idempotent producer: its readers fold them. */
export class RecordAppender {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock

  constructor(cluster: KafkaCluster, clock: Clock) {
    this.#cluster = cluster
    this.#clock = clock
  }

  /** Resolves with the record's offset. Rejects with `log_unavailable` where it is not known whether the record was stored. */
  append(topic: string, key: string, value: Buffer): Promise<number> {
    return this.#append(topic, [{ key, value }])
  }

  /** Writes them in their order, many in one request. After a rejection it is not known which of them were stored. */
  async appendAll(topic: string, records: readonly KeyedRecord[]): Promise<void> {
    for (const batch of batchesOf(records)) await this.#append(topic, batch)
  }

  async #append(topic: string, records: readonly KeyedRecord[]): Promise<number> {
    const place = { topic, partition: 0 }
    const { node } = await this.#cluster.findLeader(place)
    const bytes = encodeKeyed(records, Math.floor(this.#clock.wallMs()))
    const request = { parts: [{ ...place, records: bytes }], timeoutMs: APPEND_LIMIT_MS }
    const [part] = await this.#cluster.request(node, produce, request, APPEND_LIMIT_MS)
    if (part?.error === KAFKA_ERROR.none) return part.baseOffset
    if (part?.error === KAFKA_ERROR.messageTooLarge && records.length > 1) {
      const half = Math.ceil(records.length / 2)
      const first = await this.#append(topic, records.slice(0, half))
      await this.#append(topic, records.slice(half))
      return first
    }
    this.#cluster.forgetLeader(place)
    const detail = `Kafka error ${part?.error}${part?.message ? `: ${part.message}` : ''}`
    throw new HeadraceError('log_unavailable', `a record could not be written to ${topic}: ${detail}`)
  }
}

function batchesOf(records: readonly KeyedRecord[]): KeyedRecord[][] {
  const batches: KeyedRecord[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const record of records) {
    const more = record.key.length + record.value.length
    bytes += more
    if (bytes > BATCH_BYTES_MAX) {
      batches.push([])
      bytes = more
    }
    batches.at(-1)?.push(record)
  }
  return batches
}
