import { BatchWriter } from '../../record/batch-writer.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { produce } from './apis.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'

const APPEND_LIMIT_MS = 8_000

/** Writes single records of the core's own to partition 0 of a topic, acks=all, as no idempotent producer: its readers fold them. */
export class RecordAppender {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #writer = new BatchWriter()

  constructor(cluster: KafkaCluster, clock: Clock) {
    this.#cluster = cluster
    this.#clock = clock
  }

  /** Resolves with the record's offset. Rejects with `log_unavailable` where it is not known whether the record was stored. */
  async append(topic: string, key: string, value: Buffer): Promise<number> {
    this.#writer.begin({ key, producerId: -1, epoch: -1, epochStart: 0, sequence: 0 })
    this.#writer.append(Math.floor(this.#clock.wallMs()), value, 0, value.length)
    const { bytes: records } = this.#writer.finish('none')
    const place = { topic, partition: 0 }
    const { node } = await this.#cluster.findLeader(place)
    const request = { parts: [{ ...place, records }], timeoutMs: APPEND_LIMIT_MS }
    const [part] = await this.#cluster.request(node, produce, request, APPEND_LIMIT_MS)
    if (part?.error === KAFKA_ERROR.none) return part.baseOffset
    this.#cluster.forgetLeader(place)
    const detail = `Kafka error ${part?.error}${part?.message ? `: ${part.message}` : ''}`
    throw new HeadraceError('log_unavailable', `a record could not be written to ${topic}: ${detail}`)
  }
}
