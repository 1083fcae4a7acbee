import { z } from 'zod'
import { type FieldFacts, fieldName } from '../../record/fields.ts'
import type { Timer } from '../../runtime/clock.ts'
import { duration } from '../../runtime/units.ts'
import { reckoned } from '../digits.ts'
import { Flowing } from './flowing.ts'
import { defineStep, type Step, type StepContext } from './step.ts'

const FUNCTIONS = {
  avg: (numbers: Numbers) => reckoned(numbers.sum / numbers.count),
  sum: (numbers: Numbers) => reckoned(numbers.sum),
  min: (numbers: Numbers) => numbers.min,
  max: (numbers: Numbers) => numbers.max,
  first: (numbers: Numbers) => numbers.first,
  last: (numbers: Numbers) => numbers.last,
  count: (numbers: Numbers) => numbers.count,
} as const
type FunctionName = keyof typeof FUNCTIONS

/** A window that nobody closes by a later record is closed by the clock so long after its end, ms. */
const CLOSE_AFTER_MS = 250

const options = z.strictObject({
  every: duration({ min: '10ms', max: '1d' }).describe('Length of a window; windows begin at multiples of it.'),
  fields: z
    .record(fieldName, z.array(z.enum(Object.keys(FUNCTIONS) as [FunctionName, ...FunctionName[]])).min(1))
    .describe('What comes out of each field, such as { temp_c: [avg, max] }, which gives temp_c_avg and temp_c_max.'),
})
type Options = z.output<typeof options>

/** What a window keeps of one field: the same whatever the number of records. */
class Numbers {
  count = 0
  sum = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  first = 0
  last = 0

  add(value: number): void {
    if (this.count === 0) this.first = value
    this.count += 1
    this.sum += value
    this.min = Math.min(this.min, value)
    this.max = Math.max(this.max, value)
    this.last = value
  }
}

interface Window {
  readonly fromMs: number
  readonly fields: ReadonlyMap<string, Numbers>
  records: number
  bookmark: string | null | undefined
}

/** Gathers records by their time; a window's one record comes when a later one begins, or the clock has passed its end. */
class Aggregate implements Step {
  readonly #options: Options
  readonly #context: StepContext
  #window: Window | undefined
  #timer: Timer | undefined
  /** Beginning of the newest window that was given. */
  #givenMs: number | undefined

  constructor(own: Options, context: StepContext) {
    this.#options = own
    this.#context = context
  }

  take(record: Flowing): void {
    const { every, fields: wanted } = this.#options
    const { fields, timeMs, bookmark } = record
    if (!fields) {
      this.#passAround(record)
      return
    }
    const fromMs = Math.floor(timeMs / every) * every
    if (this.#window && fromMs > this.#window.fromMs) this.end()
    if ((this.#window && fromMs < this.#window.fromMs) || fromMs === this.#givenMs) {
      // Its window has been given already.
      this.#passAround(record)
      return
    }
    this.#window ??= this.#open(fromMs, timeMs)
    this.#window.records += 1
    this.#window.bookmark = bookmark
    for (const name of Object.keys(wanted)) {
      const value = fields[name]
      if (typeof value === 'number') this.#window.fields.get(name)?.add(value)
    }
    this.#context.withhold()
  }

  end(): void {
    const window = this.#window
    this.#timer?.cancel()
    this.#window = undefined
    if (!window) return
    this.#givenMs = window.fromMs
    const values: Record<string, unknown> = { records: window.records }
    for (const [name, names] of Object.entries(this.#options.fields)) {
      const numbers = window.fields.get(name)
      for (const each of names) values[`${name}_${each}`] = numbers && numbers.count > 0 ? FUNCTIONS[each](numbers) : null
    }
    this.#context.pass(Flowing.ofFields(values, window.fromMs, window.bookmark))
  }

  /** While a window is open, what it has gathered must not pass for stored: better read twice than lost. */
  #passAround(record: Flowing): void {
    this.#context.unread()
    this.#context.pass(this.#window ? record.withBookmark(undefined) : record)
  }

  #open(fromMs: number, timeMs: number): Window {
    const { every, fields } = this.#options
    // By the record's own time: a device's clock may be hours behind, and its windows last as long.
    const dueMs = fromMs + every - timeMs + CLOSE_AFTER_MS
    this.#timer = this.#context.clock.after(dueMs, () => this.end(), 'background')
    return { fromMs, fields: new Map(Object.keys(fields).map(name => [name, new Numbers()])), records: 0, bookmark: undefined }
  }
}

export const aggregate = defineStep({
  kind: 'aggregate',
  summary:
    "Makes one record out of each window of time: averages, sums, extremes, and how many records there were. Its time is the window's beginning. A record that comes too late for its window goes on as it is, and is counted. What an open window has gathered is in memory: a power cut takes it, unless the source reads it again, as files are.",
  options,
  fields: ({ fields: wanted }, before) => {
    const entries = Object.entries(wanted).flatMap(([name, names]) =>
      names.map(each => {
        const { unit } = before[name] ?? {}
        const facts: FieldFacts = { type: 'number', ...(unit !== undefined && each !== 'count' && { unit }) }
        return [`${name}_${each}`, facts] as const
      }),
    )
    return { records: { type: 'number' }, ...Object.fromEntries(entries) }
  },
  open: (own, context) => new Aggregate(own, context),
})
