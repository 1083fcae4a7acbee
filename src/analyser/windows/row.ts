import { numberAt } from '../field-path.ts'
import { type FieldSnapshot, FieldWindow } from '../field-window.ts'
import { Quantiles } from '../quantiles.ts'
import type { SampleRun } from '../sample-run.ts'

/** Which fields windows keep, and of which of them percentiles are asked. */
export interface FieldPlan {
  readonly names: readonly string[]
  readonly quantiles: readonly boolean[]
}

/** Numbers of one record in the order of a plan; undefined where it has none. */
export type Row = readonly (number | undefined)[]

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
    const { names } = this.#plan
    for (let index = 0; index < names.length; index++) {
      const value = numberAt(fields, names[index] as string)
      if (value !== undefined) (this.fields[index] as FieldWindow).add(value, timeMs)
    }
  }

  /** Records that all have fields, beginning with the one at `from`. */
  addRun(run: SampleRun, from: number): void {
    this.records += run.samples.length - from
    const { names } = this.#plan
    for (let index = 0; index < names.length; index++)
      (this.fields[index] as FieldWindow).addColumn(run.column(names[index] as string), run.times, from)
  }

  addRow(row: Row, timeMs: number): void {
    this.records += 1
    for (let index = 0; index < row.length; index++) {
      const value = row[index]
      if (value !== undefined) (this.fields[index] as FieldWindow).add(value, timeMs)
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
  return plan.names.map(name => numberAt(fields, name))
}
