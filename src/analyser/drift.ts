import { z } from 'zod'
import { duration } from '../runtime/units.ts'
import { defineKind, type Output, type Sample, type Subject, subjectName, type Watch, withUnits } from './analyser.ts'
import { numberAt } from './field-path.ts'
import { Holding, valuesText } from './holding.ts'
import { MovingAverage } from './moving-average.ts'
import { FUTURE_MAX_MS } from './watermark.ts'

const span = () => duration({ min: '100ms', max: '365d' })

const options = z.strictObject({
  drift: z
    .strictObject({
      field: z.string().min(1).describe('The field that should stay where it is.'),
      fast: span().default(600_000).describe('Span of the average that says where it is now.'),
      slow: span().default(86_400_000).describe('Span of the average that says where it usually is.'),
      by: z.number().positive().optional().describe('How far they may be apart, in the unit of the field.'),
      by_percent: z.number().positive().optional().describe('How far they may be apart, in percent of the slow one.'),
      clear: z
        .number()
        .min(0)
        .max(1)
        .default(0.5)
        .describe('The alert ends when they are nearer than this part of what raises it.'),
      warm_up: span().optional().describe('For how long after its first record nothing is said; as long as `slow`, unless set.'),
    })
    .refine(({ by, by_percent }) => (by === undefined) !== (by_percent === undefined), 'needs either `by` or `by_percent`')
    .refine(({ fast, slow }) => fast < slow, 'needs a `fast` that is shorter than `slow`')
    .describe('What may not drift.'),
  for: duration().default(0).describe('How long it must have drifted without a break before the alert is raised.'),
  clear_for: duration().default(0).describe('How long it must be back, without a break, before the alert is ended.'),
})
type Options = z.output<typeof options>

class DriftWatch implements Watch {
  readonly #options: Options['drift']
  readonly #subject: Subject
  readonly #holding: Holding
  readonly #fast: MovingAverage
  readonly #slow: MovingAverage
  #firstMs: number | undefined

  constructor(options: Options, subject: Subject) {
    this.#options = options.drift
    this.#subject = subject
    this.#holding = new Holding(subject, { holdMs: options.for, clearMs: options.clear_for })
    this.#fast = new MovingAverage(options.drift.fast)
    this.#slow = new MovingAverage(options.drift.slow)
  }

  sample({ fields, timeMs, nowMs }: Sample, out: Output): void {
    const { field, by, by_percent, clear, slow, warm_up } = this.#options
    const value = fields && numberAt(fields, field)
    if (value === undefined || timeMs > nowMs + FUTURE_MAX_MS) return
    this.#firstMs ??= timeMs
    this.#fast.add(value, timeMs)
    this.#slow.add(value, timeMs)
    if (timeMs - this.#firstMs < (warm_up ?? slow)) return
    const distance = Math.abs(this.#fast.mean - this.#slow.mean)
    const allowed = by ?? (Math.abs(this.#slow.mean) * (by_percent ?? 0)) / 100
    const state = this.#holding.judge({
      holds: distance > allowed,
      clears: distance <= allowed * clear,
      sinceMs: timeMs,
      endMs: timeMs,
    })
    if (!state) return
    const values = { fast: this.#fast.mean, slow: this.#slow.mean }
    const said = state === 'raised' ? 'has drifted' : 'is back'
    const unit = this.#subject.unitOf(field)
    const known = withUnits({ fast: unit, slow: unit })
    const message = `${field} of ${subjectName(this.#subject.source)} ${said}: ${valuesText(values, known.units)}`
    out.alert(this.#holding.alert(state, timeMs, { message, values, ...known }))
  }

  tick(): void {}

  snapshot() {
    return {
      first: this.#firstMs ?? null,
      fast: this.#fast.snapshot(),
      slow: this.#slow.snapshot(),
      holding: this.#holding.snapshot(),
    }
  }

  restore(snapshot: unknown): void {
    const { first, fast, slow, holding } = snapshot as ReturnType<DriftWatch['snapshot']>
    this.#firstMs = first ?? undefined
    this.#fast.restore(fast)
    this.#slow.restore(slow)
    this.#holding.restore(holding)
  }
}

/** Alerts when a value has moved away from where it usually is. */
export const drift = defineKind({
  kind: 'drift',
  markers: ['drift'],
  summary: 'Raises an alert when the fast average of a field moves away from its slow one.',
  options,
  open: options => subject => new DriftWatch(options, subject),
})
