import type { Sample } from './analyser.ts'
import { numberAt } from './field-path.ts'
import { type Word, wordAt } from './field-words.ts'
import { FUTURE_MAX_MS } from './watermark.ts'

/**
 * Records of one source, one after another. Many analysers look at the same ones: what each of them would work out of a record is worked out
 * once here, and laid out so that a loop over it has nothing to look up.
 */
export class SampleRun {
  readonly samples: readonly Sample[]
  /** Of all records together, ms. */
  readonly minMs: number
  readonly maxMs: number
  /** Whether every record has fields, and a time that counts: no analyser has to look at each to see that. */
  readonly isPlain: boolean
  readonly #columns = new Map<string, Float64Array>()
  readonly #words = new Map<string, readonly (Word | undefined)[] | undefined>()
  #times: Float64Array | undefined

  constructor(samples: readonly Sample[]) {
    this.samples = samples
    let [minMs, maxMs, isPlain] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, samples.length > 0]
    for (const { timeMs, nowMs, fields } of samples) {
      if (timeMs < minMs) minMs = timeMs
      if (timeMs > maxMs) maxMs = timeMs
      if (!fields || timeMs > nowMs + FUTURE_MAX_MS) isPlain = false
    }
    this.minMs = minMs
    this.maxMs = maxMs
    this.isPlain = isPlain
  }

  /** Times of the records, ms. */
  get times(): Float64Array {
    this.#times ??= Float64Array.from(this.samples, ({ timeMs }) => timeMs)
    return this.#times
  }

  /** A field of the records; NaN where one has no finite number there. */
  column(name: string): Float64Array {
    let column = this.#columns.get(name)
    if (!column) {
      column = Float64Array.from(this.samples, ({ fields }) => (fields && numberAt(fields, name)) ?? Number.NaN)
      this.#columns.set(name, column)
    }
    return column
  }

  /** What a field of the records says in words; undefined where none does. */
  words(name: string): readonly (Word | undefined)[] | undefined {
    if (!this.#words.has(name)) {
      const isWhole = !this.column(name).some(Number.isNaN)
      const words = isWhole ? [] : this.samples.map(({ fields }) => fields && wordAt(fields, name))
      this.#words.set(name, words.some(word => word !== undefined) ? words : undefined)
    }
    return this.#words.get(name)
  }
}
