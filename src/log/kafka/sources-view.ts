import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { sourceKey } from '../../runtime/names.ts'
import type { Claim } from '../log.ts'
import type { KafkaCluster } from './cluster.ts'
import type { KeyedRecord } from './keyed-batch.ts'
import type { RecordAppender } from './record-appender.ts'
import { ensureTopic } from './topics.ts'

export const SOURCES_TOPIC = 'headrace.sources'
/** What is written while more comes: a core that starts hands out thousands. */
const WRITTEN_AT_ONCE_MAX = 1_000

/**
 * Tells consumers where each source lies: the compacted topic `headrace.sources`, by `<gateway>/<source>`. It is a view of the claims: nobody
 * decides from it, and each core writes what it hands out once in its life, so that a view that was lost comes back.
 */
export class SourcesView {
  readonly #cluster: KafkaCluster
  readonly #appender: RecordAppender
  readonly #log: Logger
  readonly #replication: number | undefined
  readonly #published = new Map<string, Claim>()
  readonly #waiting = new Map<string, Claim>()
  #writing = false

  constructor(cluster: KafkaCluster, appender: RecordAppender, log: Logger, replication: number | undefined) {
    this.#cluster = cluster
    this.#appender = appender
    this.#log = log
    this.#replication = replication
  }

  /** Writes the claim soon, unless it was written already. What fails is written when the source is claimed again. */
  publish(claim: Claim): void {
    const key = sourceKey(claim.source)
    if (this.#published.get(key) === claim) return
    this.#waiting.set(key, claim)
    if (!this.#writing) void this.#write()
  }

  async #write(): Promise<void> {
    this.#writing = true
    try {
      if (this.#published.size === 0) {
        await ensureTopic(this.#cluster, { topic: SOURCES_TOPIC, partitions: 1, replication: this.#replication, compacted: true })
      }
      while (this.#waiting.size > 0) {
        const group = [...this.#waiting].slice(0, WRITTEN_AT_ONCE_MAX)
        await this.#appender.appendAll(SOURCES_TOPIC, group.map(shown))
        for (const [key, claim] of group) {
          this.#published.set(key, claim)
          if (this.#waiting.get(key) === claim) this.#waiting.delete(key)
        }
      }
    } catch (error) {
      this.#waiting.clear()
      this.#log.warn({}, `${SOURCES_TOPIC} could not be brought up to date: ${messageOf(error)}`)
    } finally {
      this.#writing = false
    }
  }
}

function shown([key, claim]: readonly [string, Claim]): KeyedRecord {
  const { source, topic, partition, producerId, epoch, fields, retiredMs } = claim
  const retired = retiredMs === undefined ? undefined : new Date(retiredMs).toISOString()
  const value = JSON.stringify({ gateway: source.gateway, topic, partition, producerId, epoch, fields, retired })
  return { key, value: Buffer.from(value) }
}
