import type { Clock } from './clock.ts'

/** So much in a second, and so much at once after a rest. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Lets so much through as a rate allows. It may go into debt: what has come cannot be sent back, and is paid for before anything else comes. */
export class TokenBucket {
  readonly #rate: Rate
  readonly #clock: Clock
  #level: number
  #atMs: number

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#level = rate.burst
    this.#atMs = clock.monotonicMs()
  }

  /** What may be taken now; below 0 it is owed. */
  get level(): number {
    const nowMs = this.#clock.monotonicMs()
    const { perSecond, burst } = this.#rate
    this.#level = Math.min(burst, this.#level + ((nowMs - this.#atMs) / 1_000) * perSecond)
    this.#atMs = nowMs
    return this.#level
  }

  spend(amount: number): void {
    this.#level = this.level - amount
  }

  /** How long until `amount` may be taken, ms. */
  inMs(amount: number): number {
    const missing = Math.min(amount, this.#rate.burst) - this.level
    return missing <= 0 ? 0 : Math.ceil((missing / this.#rate.perSecond) * 1_000)
  }
}

/** A bucket for each of those that ask; only of those is one kept that took something of late. */
export class TokenBuckets {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
  }

  /** How long until that one may take `amount`, ms. */
  inMs(asker: string, amount: number): number {
    return this.#buckets.get(asker)?.inMs(amount) ?? 0
  }

  spend(asker: string, amount: number): void {
    const { burst } = this.#rate
    for (const [each, bucket] of this.#buckets) if (bucket.level >= burst) this.#buckets.delete(each)
    const bucket = this.#buckets.get(asker) ?? new TokenBucket(this.#rate, this.#clock)
    bucket.spend(amount)
    this.#buckets.set(asker, bucket)
  }
}
