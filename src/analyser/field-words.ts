import { valueAt } from './field-path.ts'

/** What is no number: of it there is a first, a last and a count. */
export type Word = string | boolean

/** Characters of a text that a window keeps: it may hold thousands, and what is kept of it has to fit one message of the log. */
export const WORD_LENGTH_MAX = 64
/** Characters of text that records in one window may have together, where each is kept; one takes up to six in what is kept. */
export const WORDS_LENGTH_MAX = 100_000

/** Words of a field as they are kept: how many, the first and its time, the last and its time. */
export type WordsSnapshot = readonly [count: number, first: Word, firstMs: number, last: Word, lastMs: number]

/** The text, or true or false, that a field is in a record; undefined where it is something else. A long text ends in "…". */
export function wordAt(fields: Readonly<Record<string, unknown>>, name: string): Word | undefined {
  const value = valueAt(fields, name)
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  return value.length > WORD_LENGTH_MAX ? `${value.slice(0, WORD_LENGTH_MAX - 1).toWellFormed()}…` : value
}

/** Characters that the texts among some values have. */
export function wordsLength(values: readonly unknown[]): number {
  let length = 0
  for (const value of values) if (typeof value === 'string') length += value.length
  return length
}

/** What one field said in words in one window; by event time, of equal times by the order in which they came. */
export class FieldWords {
  count = 0
  first: Word = ''
  last: Word = ''
  firstMs = Number.POSITIVE_INFINITY
  lastMs = Number.NEGATIVE_INFINITY

  add(word: Word, timeMs: number): void {
    this.count += 1
    if (timeMs < this.firstMs) {
      this.first = word
      this.firstMs = timeMs
    }
    if (timeMs >= this.lastMs) {
      this.last = word
      this.lastMs = timeMs
    }
  }

  /** Adds what came after, by event time or of equal times by arrival. */
  merge(later: FieldWords): void {
    this.count += later.count
    if (later.firstMs < this.firstMs) {
      this.first = later.first
      this.firstMs = later.firstMs
    }
    if (later.lastMs >= this.lastMs) {
      this.last = later.last
      this.lastMs = later.lastMs
    }
  }

  snapshot(): WordsSnapshot {
    return [this.count, this.first, this.firstMs, this.last, this.lastMs]
  }

  static restore([count, first, firstMs, last, lastMs]: WordsSnapshot): FieldWords {
    return Object.assign(new FieldWords(), { count, first, firstMs, last, lastMs })
  }
}
