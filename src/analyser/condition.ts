import { z } from 'zod'
import type { Fields } from '../record/fields.ts'
import { duration } from '../runtime/units.ts'
import {
  type Derived,
  defineKind,
  type FactsOf,
  type Output,
  type Sample,
  type Subject,
  subjectName,
  type Watch,
  withUnits,
} from './analyser.ts'
import { checkExpression, compileExpression, type Expression } from './expression.ts'
import type { Word } from './field-words.ts'
import { Holding, valuesText } from './holding.ts'
import type { SampleRun } from './sample-run.ts'
import { FUTURE_MAX_MS, Watermark } from './watermark.ts'
import { lengthOf, openWindows } from './windows/open-windows.ts'
import { type WindowSpec, windowOptions, windowSpec } from './windows/options.ts'
import type { FieldPlan } from './windows/row.ts'
import type { ClosedWindow, Windows } from './windows/windows.ts'

const options = z
  .strictObject({
    every: duration({ min: '100ms', max: '31d' })
      .optional()
      .describe(
        'Length of a window, by event time; windows follow one another without overlap. With `window: { hopping }`, how often one begins.',
      ),
    window: windowOptions
      .optional()
      .describe('Another kind of window. Without `window` and `every`, the condition is over each record alone.'),
    lateness: duration({ max: '1d' })
      .default(0)
      .describe('How much later than a newer record one may come and still count; windows close so much later.'),
    patience: duration({ max: '31d' })
      .optional()
      .describe(
        "How long past a window's end the clock closes it where no newer record does; as long as the window, unless set.",
      ),
    when: z
      .string()
      .optional()
      .describe(
        'Condition in CEL over aggregates of fields in a window, for example avg(oil_c) > 90; without a window, over the fields of a record.',
      ),
    for: duration().default(0).describe('How long the condition must hold without a break before the alert is raised.'),
    clear_when: z
      .string()
      .optional()
      .describe('Condition that ends the alert; without it, the alert ends when `when` does not hold.'),
    clear_for: duration().default(0).describe('How long that must be so, without a break, before the alert is ended.'),
    values: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('Fields of the derived records, each an expression in CEL; all aggregates of `when`, unless set.'),
  })
  .superRefine((given, context) => {
    const spec = windowSpec(given)
    if (typeof spec === 'string') context.addIssue({ code: 'custom', message: spec, path: [given.window ? 'window' : 'every'] })
    if (given.when === undefined && given.values === undefined) {
      const message = 'needs a condition (`when`), or values for a derived stream (`values`)'
      // It ends here: otherwise whatever else is wrong in another kind of analyser would be explained as a condition that was meant.
      context.addIssue({ code: 'custom', message, continue: false })
    }
    if (given.clear_when !== undefined && given.when === undefined) {
      context.addIssue({ code: 'custom', message: 'ends nothing: there is no `when`', path: ['clear_when'] })
    }
    const scope = spec === undefined ? 'record' : 'window'
    for (const key of ['when', 'clear_when'] as const) {
      const text = given[key]
      if (text !== undefined) checkExpression(text, scope, 'truth', context, [key])
    }
    for (const [name, text] of Object.entries(given.values ?? {}))
      checkExpression(text, scope, 'value', context, ['values', name])
  })
type Options = z.output<typeof options>

/** What all watches of one analyser share: everything that is compiled once. */
interface Compiled {
  readonly spec: WindowSpec | undefined
  readonly plan: FieldPlan
  readonly when: Expression | undefined
  readonly clearWhen: Expression | undefined
  readonly values: readonly (readonly [string, Expression])[] | undefined
  readonly options: Options
  readonly patienceMs: number
}

interface Snapshot {
  readonly windows: unknown
  readonly watermark: unknown
  readonly holding: unknown
  readonly late: number
  readonly cut?: number
}

/** Reads one expression of a window or of a record alike. */
interface Reading {
  of(expression: Expression): unknown
  valuesOf(expression: Expression): Record<string, number | Word>
}

class ConditionWatch implements Watch {
  readonly #compiled: Compiled
  readonly #subject: Subject
  readonly #windows: Windows | undefined
  readonly #watermark: Watermark
  readonly #holding: Holding
  #out: Output | undefined
  late = 0
  /** Those of before the process started. */
  #cutBefore = 0

  constructor(compiled: Compiled, subject: Subject) {
    const { spec, plan, options, patienceMs } = compiled
    this.#compiled = compiled
    this.#subject = subject
    this.#windows = spec && openWindows(spec, plan, window => this.#closed(window))
    this.#watermark = new Watermark(patienceMs, subject.source ? 'one' : 'several')
    this.#holding = new Holding(subject, { holdMs: options.for, clearMs: options.clear_for })
  }

  get cut(): number {
    return this.#cutBefore + (this.#windows?.cut ?? 0)
  }

  sample(sample: Sample, out: Output): void {
    const { fields, timeMs, key } = sample
    if (!fields || timeMs > sample.nowMs + FUTURE_MAX_MS) return
    this.#out = out
    if (!this.#windows) {
      this.#record(fields, timeMs)
      return
    }
    // What is over is closed before the record is added: it may be the first of the next window. It may also be what closes its own.
    const doneMs = this.#watermark.see(key, timeMs, sample.nowMs) - this.#compiled.options.lateness
    this.#windows.advance(doneMs)
    if (!this.#windows.add(sample, fields)) this.late += 1
    this.#windows.advance(doneMs)
  }

  run(run: SampleRun, out: Output): boolean {
    const [first] = run.samples
    if (!first || !run.isPlain) return false
    this.#out = out
    if (!this.#windows) return this.#isCalmThrough(run)
    if (this.#addRun(run, first, 0)) return true
    // The first may end a window, and begin the one that all of them are in.
    this.sample(first, out)
    if (!this.#addRun(run, first, 1)) for (const sample of run.samples.slice(1)) this.sample(sample, out)
    return true
  }

  #addRun(run: SampleRun, { key, nowMs }: Sample, from: number): boolean {
    const atMs = this.#watermark.after(key, run.maxMs, nowMs)
    if (atMs === undefined || !this.#windows?.addRun?.(run, from, atMs - this.#compiled.options.lateness)) return false
    this.#watermark.see(key, run.maxMs, nowMs)
    return true
  }

  tick(nowMs: number, out: Output): void {
    this.#out = out
    this.#windows?.closeEndedBefore(nowMs - this.#compiled.options.lateness - this.#compiled.patienceMs)
  }

  snapshot(): Snapshot {
    return {
      windows: this.#windows?.snapshot() ?? null,
      watermark: this.#watermark.snapshot(),
      holding: this.#holding.snapshot(),
      late: this.late,
      ...(this.cut > 0 && { cut: this.cut }),
    }
  }

  restore(snapshot: unknown): void {
    const { windows, watermark, holding, late, cut } = snapshot as Snapshot
    if (windows !== null) this.#windows?.restore(windows)
    this.#watermark.restore(watermark)
    this.#holding.restore(holding)
    this.late = late
    this.#cutBefore = cut ?? 0
  }

  /** Most records say nothing. */
  #isCalmThrough(run: SampleRun): boolean {
    const { when, values } = this.#compiled
    if (!when || values || this.#holding.raised || when.isFalseThrough(run) !== true) return false
    this.#holding.calm()
    return true
  }

  /** Most records change nothing: that is told without making anything. */
  #record(fields: Readonly<Record<string, unknown>>, timeMs: number): void {
    const { when, values } = this.#compiled
    if (when && !values && !this.#holding.raised && when.ofRecord(fields) === false) {
      this.#holding.calm()
      return
    }
    const reading = {
      of: (each: Expression) => each.ofRecord(fields),
      valuesOf: (each: Expression) => each.valuesOfRecord(fields),
    }
    this.#judge(reading, { startMs: timeMs, sinceMs: timeMs, endMs: timeMs })
  }

  #closed(window: ClosedWindow): void {
    const { plan } = this.#compiled
    const reading = {
      of: (each: Expression) => each.ofRows(plan, window.rows),
      valuesOf: (each: Expression) => each.valuesOfRows(plan, window.rows),
    }
    this.#judge(reading, window)
  }

  #judge(reading: Reading, times: { startMs: number; sinceMs: number; endMs: number }): void {
    const { when, clearWhen } = this.#compiled
    const holds = when && truth(reading.of(when))
    if (when) {
      const clears = clearWhen ? truth(reading.of(clearWhen)) : holds === undefined ? undefined : !holds
      const state = this.#holding.judge({ holds, clears, ...times })
      if (state) this.#say(state, when, reading, times.endMs)
    }
    if (this.#out?.dropsRecords) return
    const record = this.#derived(holds, reading, times)
    if (record) this.#out?.record(record)
  }

  #say(state: 'raised' | 'cleared', when: Expression, reading: Reading, timeMs: number): void {
    const { clearWhen } = this.#compiled
    // It may be over though it holds: what ended it is another condition.
    const ended = state === 'cleared' ? clearWhen : undefined
    const said = { ...reading.valuesOf(when), ...(ended && reading.valuesOf(ended)) }
    const values = Object.fromEntries(
      Object.entries(said).filter((each): each is [string, number] => typeof each[1] === 'number'),
    )
    const { unitOf } = this.#subject
    const known = withUnits({ ...when.unitsOf(unitOf), ...ended?.unitsOf(unitOf) })
    const how = state === 'raised' ? 'holds' : ended ? `is over by ${ended.text}` : 'is over'
    const message = `${when.text} ${how} for ${subjectName(this.#subject.source)}: ${valuesText(said, known.units)}`
    this.#out?.alert(this.#holding.alert(state, timeMs, { message, values, ...known }))
  }

  /** One record for each window; where there is a condition, and values are named, only for those in which it holds. */
  #derived(holds: boolean | undefined, reading: Reading, times: { startMs: number; endMs: number }): Derived | undefined {
    const { when, values, spec } = this.#compiled
    if (when && (values || !spec) && holds !== true) return undefined
    const fields = values
      ? Object.fromEntries(
          values.map(([name, each]) => [name, reading.of(each)] as const).filter(([, value]) => value !== undefined),
        )
      : when
        ? reading.valuesOf(when)
        : {}
    if (Object.keys(fields).length === 0) return undefined
    const { source } = this.#subject
    const span = spec ? { from_ms: times.startMs, to_ms: times.endMs } : {}
    return {
      timeMs: times.endMs,
      value: { ...(source && { gateway: source.gateway, source: source.source }), ...span, ...fields },
    }
  }
}

/** What {@link ConditionWatch} makes of a window or record. */
function derivedFields({ spec, when, values }: Compiled, per: 'source' | 'all', factsOf: FactsOf): Fields {
  const subject: Fields = per === 'source' ? { gateway: { type: 'text' }, source: { type: 'text' } } : {}
  const span: Fields = spec ? { from_ms: { type: 'number', unit: 'ms' }, to_ms: { type: 'number', unit: 'ms' } } : {}
  const own = values
    ? Object.fromEntries(values.map(([name, each]) => [name, each.factsOf(factsOf)] as const))
    : when?.factsOfValues(factsOf)
  return { ...subject, ...span, ...own }
}

function truth(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

function compile(options: Options): Compiled {
  const spec = windowSpec(options)
  if (typeof spec === 'string') throw new Error(`a window that cannot be passed its schema: ${spec}`)
  const scope = spec ? 'window' : 'record'
  const when = options.when === undefined ? undefined : compileExpression(options.when, scope, 'truth')
  const clearWhen = options.clear_when === undefined ? undefined : compileExpression(options.clear_when, scope, 'truth')
  const values =
    options.values &&
    Object.entries(options.values).map(([name, text]) => [name, compileExpression(text, scope, 'value')] as const)
  const all = [when, clearWhen, ...(values ?? []).map(([, each]) => each)].filter(each => each !== undefined)
  const names = [...new Set(all.flatMap(each => each.fields))]
  const quantiles = new Set(all.flatMap(each => each.quantiles))
  const words = new Set(all.flatMap(each => each.words))
  const plan = { names, quantiles: names.map(name => quantiles.has(name)), words: names.map(name => words.has(name)) }
  const patienceMs = options.patience ?? (spec ? lengthOf(spec) : 0)
  return { spec, plan, when, clearWhen, values, options, patienceMs }
}

/** Judges windows of event time, or records, by a condition. */
export const condition = defineKind({
  kind: 'condition',
  markers: ['when', 'every', 'window', 'values'],
  summary:
    'Raises an alert while a condition over windows of event time, or over each record, holds; makes a derived stream of them.',
  options,
  fieldsOf: (given, per, factsOf) => derivedFields(compile(given), per, factsOf),
  open: given => {
    const compiled = compile(given)
    return subject => new ConditionWatch(compiled, subject)
  },
})
