import type { Clock } from '../runtime/clock.ts'

/** How many are let in. */
export interface AdmissionRate {
  readonly perSecond: number
  /** So many at once after a quiet time. */
  readonly burst: number
}

/** Lets in a burst and then so many a second: what comes in one moment is spread over time. */
export class Admission {
  readonly #rate: AdmissionRate
  readonly #clock: Clock
  #left: number
  #atMs: number

  constructor(rate: AdmissionRate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#left = rate.burst
    this.#atMs = clock.monotonicMs()
  }

  /** How long until the next one may come in, ms; 0 where it may now. */
  get inMs(): number {
    this.#refill()
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * 1_000) / this.#rate.perSecond)
  }

  /** One came in. */
  take(): void {
    this.#refill()
    this.#left -= 1
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#left = Math.min(this.#rate.burst, this.#left + ((nowMs - this.#atMs) * this.#rate.perSecond) / 1_000)
    this.#atMs = nowMs
  }
}
