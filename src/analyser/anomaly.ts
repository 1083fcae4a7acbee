import { z } from 'zod'
import { duration } from '../runtime/units.ts'
import { defineKind, type Output, type Sample, type Subject, subjectName, type Watch, withUnits } from './analyser.ts'
import { numberAt } from './field-path.ts'
import { Holding, valuesText } from './holding.ts'
import { MovingAverage } from './moving-average.ts'
import { FUTURE_MAX_MS } from './watermark.ts'

const options = z.strictObject({
  anomaly: z
    .strictObject({
      field: z.string().min(1).describe('The field that is watched.'),
      method: z
        .enum(['ewma', 'robust'])
        .default('robust')
        .describe(
          '`ewma`: distance from a moving average in its standard deviations. `robust`: distance from the median of the last records, in median absolute deviations, which outliers cannot move.',
        ),
      z: z.number().positive().default(4).describe('Distance from which on a value is an anomaly.'),
      clear_z: z.number().positive().optional().describe('Distance below which the alert ends; half of `z`, unless set.'),
      span: duration({ min: '100ms', max: '365d' }).default(600_000).describe('`ewma`: span of the moving average.'),
      records: z.int().min(5).max(10_000).default(120).describe('`robust`: of how many records the median is taken.'),
      warm_up: z.int().min(3).max(10_000).default(30).describe('So many records are only learned from.'),
      deviation_min: z
        .number()
        .min(0)
        .default(0)
        .describe('The deviation counts as no smaller than this, in the unit of the field: a value that never changes has none.'),
    })
    .describe('What is watched, and how.'),
  for: duration().default(0).describe('How long values must be anomalies, one after another, before the alert is raised.'),
  clear_for: duration().default(0).describe('How long they must be none, one after another, before the alert is ended.'),
})
type Options = z.output<typeof options>

/** Of normal values, the standard deviation is so many median absolute deviations. */
const MAD_TO_STDDEV = 1.4826
/** Where nothing ever varied, this part of the value counts as deviation: rounding is no anomaly. */
const DEVIATION_MIN_RELATIVE = 1e-9
/** A record of the same time as the last one still counts so much. */
const EWMA_WEIGHT_MIN = 1e-3

/** What is learned of a field, and how far a value is from it. */
interface Model {
  /** Centre and deviation as they were before the value. */
  learned(): { centre: number; deviation: number }
  /** `leastDeviation`: as how much the deviation counts at the least; 0 while nothing is told yet. */
  learn(value: number, timeMs: number, leastDeviation: number): void
  snapshot(): unknown
  restore(snapshot: unknown): void
}

class MedianModel implements Model {
  readonly #records: number
  #values: number[] = []
  /** The same values in order of size. */
  #sorted: number[] = []

  constructor(records: number) {
    this.#records = records
  }

  learned(): { centre: number; deviation: number } {
    const centre = middle(this.#sorted)
    const distances = this.#sorted.map(value => Math.abs(value - centre)).sort((a, b) => a - b)
    return { centre, deviation: middle(distances) * MAD_TO_STDDEV }
  }

  learn(value: number): void {
    this.#values.push(value)
    this.#sorted.splice(rankOf(this.#sorted, value), 0, value)
    if (this.#values.length <= this.#records) return
    const gone = this.#values.shift() as number
    this.#sorted.splice(rankOf(this.#sorted, gone), 1)
  }

  snapshot(): readonly number[] {
    return this.#values
  }

  restore(snapshot: unknown): void {
    this.#values = [...(snapshot as number[])]
    this.#sorted = this.#values.toSorted((a, b) => a - b)
  }
}

class AverageModel implements Model {
  readonly #average: MovingAverage
  readonly #clipped: number

  constructor(spanMs: number, z: number) {
    this.#average = new MovingAverage(spanMs)
    this.#clipped = z
  }

  learned(): { centre: number; deviation: number } {
    return { centre: this.#average.mean, deviation: this.#average.stddev }
  }

  /** What lies far off counts as lying at the border: one outlier must not hide the next, and a new level is learned all the same. */
  learn(value: number, timeMs: number, leastDeviation: number): void {
    const { mean, stddev } = this.#average
    const far = this.#clipped * Math.max(stddev, leastDeviation)
    const learned = far > 0 ? Math.min(mean + far, Math.max(mean - far, value)) : value
    this.#average.add(learned, timeMs, EWMA_WEIGHT_MIN)
  }

  snapshot(): unknown {
    return this.#average.snapshot()
  }

  restore(snapshot: unknown): void {
    this.#average.restore(snapshot as ReturnType<MovingAverage['snapshot']>)
  }
}

class AnomalyWatch implements Watch {
  readonly #options: Options['anomaly']
  readonly #subject: Subject
  readonly #holding: Holding
  readonly #model: Model
  #seen = 0

  constructor(options: Options, subject: Subject) {
    const { method, span, records, z } = options.anomaly
    this.#options = options.anomaly
    this.#subject = subject
    this.#holding = new Holding(subject, { holdMs: options.for, clearMs: options.clear_for })
    this.#model = method === 'robust' ? new MedianModel(records) : new AverageModel(span, z)
  }

  sample({ fields, timeMs, nowMs }: Sample, out: Output): void {
    const { field, z, clear_z, warm_up, deviation_min } = this.#options
    const value = fields && numberAt(fields, field)
    if (value === undefined || timeMs > nowMs + FUTURE_MAX_MS) return
    let least = 0
    if (this.#seen >= warm_up) {
      const { centre, deviation } = this.#model.learned()
      least = Math.max(deviation_min, Math.abs(centre) * DEVIATION_MIN_RELATIVE)
      const distance = Math.abs(value - centre) / Math.max(deviation, least, Number.MIN_VALUE)
      const judged = { holds: distance >= z, clears: distance < (clear_z ?? z / 2), sinceMs: timeMs, endMs: timeMs }
      const state = this.#holding.judge(judged)
      if (state) this.#say(state, timeMs, { value, expected: centre, z: Math.min(distance, Number.MAX_SAFE_INTEGER) }, out)
    }
    this.#seen = Math.min(this.#seen + 1, warm_up)
    this.#model.learn(value, timeMs, least)
  }

  tick(): void {}

  #say(state: 'raised' | 'cleared', timeMs: number, values: Record<string, number>, out: Output): void {
    const said = state === 'raised' ? 'is out of the ordinary' : 'is ordinary again'
    const unit = this.#subject.unitOf(this.#options.field)
    const known = withUnits({ value: unit, expected: unit })
    const message = `${this.#options.field} of ${subjectName(this.#subject.source)} ${said}: ${valuesText(values, known.units)}`
    out.alert(this.#holding.alert(state, timeMs, { message, values, ...known }))
  }

  snapshot() {
    return { seen: this.#seen, model: this.#model.snapshot(), holding: this.#holding.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { seen, model, holding } = snapshot as ReturnType<AnomalyWatch['snapshot']>
    this.#seen = seen
    this.#model.restore(model)
    this.#holding.restore(holding)
  }
}

function middle(sorted: readonly number[]): number {
  const at = (sorted.length - 1) / 2
  return ((sorted[Math.floor(at)] ?? 0) + (sorted[Math.ceil(at)] ?? 0)) / 2
}

/** Where a value stands, or would stand, among sorted ones. */
function rankOf(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const between = (low + high) >> 1
    if ((sorted[between] as number) < value) low = between + 1
    else high = between
  }
  return low
}

/** Alerts when a value is out of the ordinary. */
export const anomaly = defineKind({
  kind: 'anomaly',
  markers: ['anomaly'],
  summary: 'Raises an alert when a field has a value that is out of the ordinary for it.',
  options,
  open: options => subject => new AnomalyWatch(options, subject),
})
