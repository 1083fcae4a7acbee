/** Bounds of a wait between attempts, ms. */
export interface BackoffBounds {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * Exponential backoff with full jitter: the n-th wait is drawn from (0, first · 2ⁿ], at most `maxMs`. The draw keeps a fleet that lost
 * one core from coming back in step.
 */
export class Backoff {
  readonly #bounds: BackoffBounds
  readonly #random: () => number
  #attempts = 0

  constructor(bounds: BackoffBounds, random: () => number) {
    this.#bounds = bounds
    this.#random = random
  }

  /** How long to wait before the next attempt, ms; each call counts as one. */
  nextMs(): number {
    const ceiling = Math.min(this.#bounds.maxMs, this.#bounds.firstMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts += 1
    return Math.max(1, Math.ceil(ceiling * (1 - this.#random())))
  }

  reset(): void {
    this.#attempts = 0
  }
}
