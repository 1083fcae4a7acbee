import type { Clock } from '../runtime/clock.ts'
import { type Rate, TokenBucket } from '../runtime/token-bucket.ts'

/** Certificates that one gateway, or the bearer of one token, is given at once: an answer may be lost on a bad line, and the next, and the next. */
const AT_ONCE = 12
/** And then one in so long, ms; where they are good for a short time, as many more as they need. */
const ONE_IN_MS = 600_000
const IN_A_LIFE = 4

/**
 * How many certificates one asker is given. Each costs signatures, and a row that the register keeps, here and at every core: without a limit, one gateway
 * that is faulty or stolen would take the authority from all others.
 */
export class IssueRate {
  readonly #clock: Clock
  readonly #rate: Rate
  /** Of those alone that were given some of late. */
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(lifeMs: number, clock: Clock) {
    this.#clock = clock
    this.#rate = { perSecond: 1_000 / Math.min(ONE_IN_MS, lifeMs / IN_A_LIFE), burst: AT_ONCE }
  }

  /** How long until the asker may have another one, ms. */
  inMs(asker: string): number {
    return this.#buckets.get(asker)?.inMs(1) ?? 0
  }

  spend(asker: string): void {
    for (const [each, bucket] of this.#buckets) if (bucket.level >= AT_ONCE) this.#buckets.delete(each)
    const bucket = this.#buckets.get(asker) ?? new TokenBucket(this.#rate, this.#clock)
    bucket.spend(1)
    this.#buckets.set(asker, bucket)
  }

  /** It was not given after all. */
  giveBack(asker: string): void {
    this.#buckets.get(asker)?.spend(-1)
  }
}
