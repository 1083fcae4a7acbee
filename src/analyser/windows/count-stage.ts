import type { HeldRecord, OrderedStage } from './ordered-windows.ts'
import { type FieldPlan, Rows, type RowsSnapshot } from './row.ts'
import type { OnClosed } from './windows.ts'

interface Snapshot {
  readonly start: number
  readonly rows: RowsSnapshot
}

/** Windows of so many records each, one after another. */
export class CountStage implements OrderedStage {
  readonly #plan: FieldPlan
  readonly #size: number
  readonly #onClosed: OnClosed
  #rows: Rows
  #startMs = 0

  constructor(plan: FieldPlan, size: number, onClosed: OnClosed) {
    this.#plan = plan
    this.#size = size
    this.#onClosed = onClosed
    this.#rows = new Rows(plan)
  }

  take({ timeMs, row }: HeldRecord): void {
    if (this.#rows.records === 0) this.#startMs = timeMs
    this.#rows.addRow(row, timeMs)
    if (this.#rows.records < this.#size) return
    const rows = this.#rows
    this.#rows = new Rows(this.#plan)
    this.#onClosed({ startMs: this.#startMs, endMs: timeMs, sinceMs: this.#startMs, rows })
  }

  snapshot(): Snapshot {
    return { start: this.#startMs, rows: this.#rows.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { start, rows } = snapshot as Snapshot
    this.#startMs = start
    this.#rows = Rows.restore(this.#plan, rows)
  }
}
