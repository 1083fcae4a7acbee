import { FieldWords, type Word, type WordsSnapshot } from './field-words.ts'
import { Quantiles, type QuantilesSnapshot } from './quantiles.ts'

/** A window's state of one field as it is kept: numbers, quantiles where they are asked for, and words where there were any. */
export type FieldSnapshot = readonly [readonly number[], (QuantilesSnapshot | null)?, WordsSnapshot?]

/**
 * What one field did in one window; every aggregate is kept as records come, so that a window's memory does not grow with its records.
 * First and last go by event time; of equal times, by the order in which they came. All but `values`, `firstValue` and `lastValue` is of numbers alone.
 */
export class FieldWindow {
  count = 0
  sum = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  first = Number.NaN
  last = Number.NaN
  firstMs = Number.POSITIVE_INFINITY
  lastMs = Number.NEGATIVE_INFINITY
  /** Welford's mean and sum of squared distances: a plain sum of squares loses its digits on large values that vary little. */
  #mean = 0
  #squares = 0
  readonly quantiles: Quantiles | undefined
  #words: FieldWords | undefined

  constructor(quantiles: Quantiles | undefined = undefined) {
    this.quantiles = quantiles
  }

  add(value: number, timeMs: number): void {
    this.count += 1
    this.sum += value
    if (timeMs < this.firstMs) {
      this.first = value
      this.firstMs = timeMs
    }
    if (timeMs >= this.lastMs) {
      this.last = value
      this.lastMs = timeMs
    }
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
    const distance = value - this.#mean
    this.#mean += distance / this.count
    this.#squares += distance * (value - this.#mean)
    this.quantiles?.add(value)
  }

  addWord(word: Word, timeMs: number): void {
    this.#words ??= new FieldWords()
    this.#words.add(word, timeMs)
  }

  /** The same of many values, beginning with the one at `from`; those that are none (NaN) are left out. */
  addColumn(values: Float64Array, times: Float64Array, from: number): void {
    for (let index = from; index < values.length; index++) {
      const value = values[index] as number
      if (!Number.isNaN(value)) this.add(value, times[index] as number)
    }
  }

  addWords(words: readonly (Word | undefined)[], times: Float64Array, from: number): void {
    for (let index = from; index < words.length; index++) {
      const word = words[index]
      if (word !== undefined) this.addWord(word, times[index] as number)
    }
  }

  /** Adds what came after, by event time or of equal times by arrival. */
  merge(later: FieldWindow): void {
    if (later.#words) {
      this.#words ??= new FieldWords()
      this.#words.merge(later.#words)
    }
    if (later.count === 0) return
    const count = this.count + later.count
    const distance = later.#mean - this.#mean
    this.#squares += later.#squares + (distance * distance * this.count * later.count) / count
    this.#mean += (distance * later.count) / count
    this.count = count
    this.sum += later.sum
    this.min = Math.min(this.min, later.min)
    this.max = Math.max(this.max, later.max)
    if (later.firstMs < this.firstMs) {
      this.first = later.first
      this.firstMs = later.firstMs
    }
    if (later.lastMs >= this.lastMs) {
      this.last = later.last
      this.lastMs = later.lastMs
    }
    if (later.quantiles) this.quantiles?.merge(later.quantiles)
  }

  /** Whether there was anything but numbers. */
  get hasWords(): boolean {
    return this.#words !== undefined
  }

  /** How many there were, numbers or not. */
  get values(): number {
    return this.count + (this.#words?.count ?? 0)
  }

  /** Number or word; of equal times the number. */
  get firstValue(): number | Word {
    return this.#words && this.#words.firstMs < this.firstMs ? this.#words.first : this.first
  }

  /** Number or word; of equal times the word. */
  get lastValue(): number | Word {
    return this.#words && this.#words.lastMs >= this.lastMs ? this.#words.last : this.last
  }

  get avg(): number {
    return this.#mean
  }

  /** Sample standard deviation; 0 for a single value. */
  get stddev(): number {
    return this.count > 1 ? Math.sqrt(this.#squares / (this.count - 1)) : 0
  }

  get delta(): number {
    return this.last - this.first
  }

  /** Change for each second between the first record and the last; 0 where both have the same time. */
  get rate(): number {
    const seconds = (this.lastMs - this.firstMs) / 1_000
    return seconds > 0 ? this.delta / seconds : 0
  }

  percentile(percent: number): number {
    return this.quantiles?.at(percent) ?? Number.NaN
  }

  snapshot(): FieldSnapshot {
    const words = this.#words?.snapshot()
    if (this.count === 0) return words ? [[], null, words] : [[]]
    const { count, sum, min, max, first, last, firstMs, lastMs } = this
    const numbers = [count, sum, min, max, first, last, firstMs, lastMs, this.#mean, this.#squares]
    const quantiles = this.quantiles?.snapshot()
    if (words) return [numbers, quantiles ?? null, words]
    return quantiles ? [numbers, quantiles] : [numbers]
  }

  static restore([numbers, quantiles, words]: FieldSnapshot, wantsQuantiles: boolean): FieldWindow {
    const window = new FieldWindow(wantsQuantiles ? Quantiles.restore(quantiles ?? {}) : undefined)
    if (words) window.#words = FieldWords.restore(words)
    const [count = 0, sum = 0, min = 0, max = 0, first = 0, last = 0, firstMs = 0, lastMs = 0, mean = 0, squares = 0] = numbers
    if (count === 0) return window
    Object.assign(window, { count, sum, min, max, first, last, firstMs, lastMs })
    window.#mean = mean
    window.#squares = squares
    return window
  }
}
