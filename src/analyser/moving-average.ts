interface Snapshot {
  readonly mean: number
  readonly variance: number
  readonly weights: number
  readonly last: number | null
}

/**
 * An average in which what is older counts less: after `spanMs` a value has a weight of 1/e. Records need not come evenly; one that is not
 * newer than the last counts as if it came at the same time.
 */
export class MovingAverage {
  readonly #spanMs: number
  mean = 0
  #variance = 0
  #weights = 0
  #lastMs: number | undefined

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  get stddev(): number {
    return Math.sqrt(this.#variance)
  }

  /** `weightMin` keeps a run of records of one time from counting as none. */
  add(value: number, timeMs: number, weightMin = 0): void {
    if (this.#lastMs === undefined) {
      this.mean = value
      this.#lastMs = timeMs
      return
    }
    const elapsedMs = Math.max(0, timeMs - this.#lastMs)
    const weight = Math.max(weightMin, 1 - Math.exp(-elapsedMs / this.#spanMs))
    // Divided by all weights so far: otherwise the first value would count for a whole span.
    this.#weights = weight + (1 - weight) * this.#weights
    const share = this.#weights > 0 ? weight / this.#weights : 0
    const distance = value - this.mean
    this.mean += share * distance
    this.#variance = (1 - share) * (this.#variance + share * distance * distance)
    this.#lastMs = Math.max(this.#lastMs, timeMs)
  }

  snapshot(): Snapshot {
    return { mean: this.mean, variance: this.#variance, weights: this.#weights, last: this.#lastMs ?? null }
  }

  restore({ mean, variance, weights, last }: Snapshot): void {
    this.mean = mean
    this.#variance = variance
    this.#weights = weights
    this.#lastMs = last ?? undefined
  }
}
