import { BATCH_BYTES_MAX } from '../../record/check-batch.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { KafkaCluster } from './cluster.ts'
import { describeConfigs } from './topic-apis.ts'

const SETTING = 'max.message.bytes'
/** For so long an answer is good, ms: somebody may change the setting, and a thousand openings are not to ask for it each. */
const GOOD_FOR_MS = 60_000

/** How large a batch each topic takes. */
export class TopicLimits {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #log: Logger
  readonly #known = new Map<string, { readonly sinceMs: number; readonly limit: Promise<number | undefined> }>()

  constructor(cluster: KafkaCluster, clock: Clock, log: Logger) {
    this.#cluster = cluster
    this.#clock = clock
    this.#log = log
  }

  /** Undefined where the brokers do not tell: nothing else depends on it. */
  of(topic: string): Promise<number | undefined> {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#known.get(topic)
    if (known && nowMs - known.sinceMs < GOOD_FOR_MS) return known.limit
    const limit = this.#ask(topic)
    this.#known.set(topic, { sinceMs: nowMs, limit })
    return limit
  }

  /** A batch was refused as too large: what is known is not so any more. */
  forget(topic: string): void {
    this.#known.delete(topic)
  }

  async #ask(topic: string): Promise<number | undefined> {
    try {
      const { settings } = await this.#cluster.ask(describeConfigs, { type: 'topic', name: topic, settings: [SETTING] })
      const value = Number(settings.get(SETTING))
      return Number.isSafeInteger(value) && value > 0 ? Math.min(value, BATCH_BYTES_MAX) : undefined
    } catch (cause) {
      this.#log.debug({ topic, reason: messageOf(cause) }, 'how large a batch the topic takes is not told')
      this.forget(topic)
      return undefined
    }
  }
}
