/** What one field did in one window; every aggregate is kept as records come, so that a window's memory does not grow with its records. */
export class FieldWindow {
  count = 0
  sum = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  first = Number.NaN
  last = Number.NaN
  /** Welford's mean and sum of squared distances: a plain sum of squares loses its digits on large values that vary little. */
  #mean = 0
  #squares = 0

  add(value: number): void {
    if (this.count === 0) this.first = value
    this.count += 1
    this.sum += value
    this.last = value
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
    const distance = value - this.#mean
    this.#mean += distance / this.count
    this.#squares += distance * (value - this.#mean)
  }

  get avg(): number {
    return this.#mean
  }

  /** Sample standard deviation; 0 for a single value. */
  get stddev(): number {
    return this.count > 1 ? Math.sqrt(this.#squares / (this.count - 1)) : 0
  }

  snapshot(): readonly number[] {
    return [this.count, this.sum, this.min, this.max, this.first, this.last, this.#mean, this.#squares].map(finiteOrZero)
  }

  static restore(numbers: readonly number[]): FieldWindow {
    const window = new FieldWindow()
    const [count = 0, sum = 0, min = 0, max = 0, first = 0, last = 0, mean = 0, squares = 0] = numbers
    if (count === 0) return window
    Object.assign(window, { count, sum, min, max, first, last })
    window.#mean = mean
    window.#squares = squares
    return window
  }
}

/** JSON has no infinity; an empty window's bounds come back as those of a new one. */
function finiteOrZero(value: number): number {
  return Number.isFinite(value) ? value : 0
}
