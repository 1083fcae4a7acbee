import { numberAt } from '../field-path.ts'
import { type FieldSnapshot, FieldWindow } from '../field-window.ts'
import { type Word, wordAt } from '../field-words.ts'
import { Quantiles } from '../quantiles.ts'
import type { SampleRun } from '../sample-run.ts'

/** Which fields windows keep, of which of them percentiles are asked, and of which what is no number counts too. */
export interface FieldPlan {
  readonly names: readonly string[]
  readonly quantiles: readonly boolean[]
  readonly words: readonly boolean[]
}

/** Values of one record in the order of a plan; undefined where it has none that counts. */
export type Row = readonly (number | Word | undefined)[]

/** A record as it is kept: what is no number beside the numbers, where a version that knows numbers alone does not look. */
export type RecordSnapshot = readonly [timeMs: number, numbers: readonly (number | null)[], words?: readonly (Word | null)[]]

export function snapshotRecord(timeMs: number, row: Row): RecordSnapshot {
  const numbers = row.map(value => (typeof value === 'number' ? value : null))
  const hasWords = row.some(value => value !== undefined && typeof value !== 'number')
  return hasWords ? [timeMs, numbers, row.map(value => (typeof value === 'number' ? null : (value ?? null)))] : [timeMs, numbers]
}

export function restoreRecord([timeMs, numbers, words]: RecordSnapshot): { timeMs: number; row: Row } {
  return { timeMs, row: numbers.map((number, index) => number ?? words?.[index] ?? undefined) }
}

export interface RowsSnapshot {
  readonly records: number
  readonly fields: readonly FieldSnapshot[]
}

/** The aggregates of some records: one for each field of the plan. */
export class Rows {
  readonly #plan: FieldPlan
  records = 0
  readonly fields: readonly FieldWindow[]

  constructor(plan: FieldPlan, fields?: readonly FieldWindow[]) {
    this.#plan = plan
    this.fields = fields ?? plan.names.map((_, index) => new FieldWindow(plan.quantiles[index] ? new Quantiles() : undefined))
  }

  addFields(fields: Readonly<Record<string, unknown>>, timeMs: number): void {
    this.records += 1
    const { names, words } = this.#plan
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      const value = numberAt(fields, name)
      if (value !== undefined) {
        ;(this.fields[index] as FieldWindow).add(value, timeMs)
        continue
      }
      const word = words[index] ? wordAt(fields, name) : undefined
      if (word !== undefined) (this.fields[index] as FieldWindow).addWord(word, timeMs)
    }
  }

  /** Records that all have fields, beginning with the one at `from`. */
  addRun(run: SampleRun, from: number): void {
    this.records += run.samples.length - from
    const { names, words } = this.#plan
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string
      const field = this.fields[index] as FieldWindow
      field.addColumn(run.column(name), run.times, from)
      const said = words[index] ? run.words(name) : undefined
      if (said) field.addWords(said, run.times, from)
    }
  }

  addRow(row: Row, timeMs: number): void {
    this.records += 1
    for (let index = 0; index < row.length; index++) {
      const value = row[index]
      if (typeof value === 'number') (this.fields[index] as FieldWindow).add(value, timeMs)
      else if (value !== undefined) (this.fields[index] as FieldWindow).addWord(value, timeMs)
    }
  }

  /** Values of all fields that are kept as they are, for percentiles. */
  get exactCount(): number {
    return this.fields.reduce((sum, { quantiles }) => sum + (quantiles?.exactCount ?? 0), 0)
  }

  coarsen(): void {
    for (const { quantiles } of this.fields) quantiles?.coarsen()
  }

  merge(later: Rows): void {
    this.records += later.records
    for (const [index, field] of later.fields.entries()) (this.fields[index] as FieldWindow).merge(field)
  }

  snapshot(): RowsSnapshot {
    return { records: this.records, fields: this.fields.map(field => field.snapshot()) }
  }

  /** A field that the plan did not have when this was kept begins empty. */
  static restore(plan: FieldPlan, { records, fields }: RowsSnapshot): Rows {
    const restored = new Rows(
      plan,
      plan.names.map((_, index) => FieldWindow.restore(fields[index] ?? [[]], plan.quantiles[index] === true)),
    )
    restored.records = records
    return restored
  }
}

export function rowOf(plan: FieldPlan, fields: Readonly<Record<string, unknown>>): Row {
  return plan.names.map((name, index) => numberAt(fields, name) ?? (plan.words[index] ? wordAt(fields, name) : undefined))
}
