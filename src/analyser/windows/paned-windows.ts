import type { Sample } from '../analyser.ts'
import type { SampleRun } from '../sample-run.ts'
import { type FieldPlan, Rows, type RowsSnapshot } from './row.ts'
import type { OnClosed, Windows } from './windows.ts'

/**
 * Values that all open panes together keep as they are, for percentiles. A long window has many panes, with a few thousand values each at most, and what is
 * kept of all of them has to fit one message of the log.
 */
const EXACT_VALUES_MAX = 4 * 4_096

interface Pane {
  readonly startMs: number
  readonly rows: Rows
}

interface Snapshot {
  readonly closed: number | null
  readonly panes: readonly (readonly [number, RowsSnapshot])[]
}

/**
 * Tumbling and hopping windows: [k × hop, k × hop + size). Records are added up once, in panes whose length divides both; a window is the sum of
 * its panes. A window without records is none.
 */
export class PanedWindows implements Windows {
  readonly #plan: FieldPlan
  readonly #sizeMs: number
  readonly #hopMs: number
  readonly #paneMs: number
  readonly #onClosed: OnClosed
  /** In order of time, none empty. */
  #panes: Pane[] = []
  #current: Pane | undefined
  /** Every window that ends here or before is closed. */
  #closedMs = Number.NEGATIVE_INFINITY
  /** The next window with records ends here; before, there is nothing to close. */
  #nextEndMs = Number.POSITIVE_INFINITY

  constructor(plan: FieldPlan, times: { sizeMs: number; hopMs: number }, onClosed: OnClosed) {
    this.#plan = plan
    this.#sizeMs = times.sizeMs
    this.#hopMs = times.hopMs
    this.#paneMs = greatestCommonDivisor(times.sizeMs, times.hopMs)
    this.#onClosed = onClosed
  }

  add({ timeMs }: Sample, fields: Readonly<Record<string, unknown>>): boolean {
    const current = this.#current
    if (current && timeMs >= current.startMs && timeMs < current.startMs + this.#paneMs) {
      current.rows.addFields(fields, timeMs)
      return true
    }
    const lastEndMs = Math.floor(timeMs / this.#hopMs) * this.#hopMs + this.#sizeMs
    if (lastEndMs <= this.#closedMs) return false
    const pane = this.#paneAt(Math.floor(timeMs / this.#paneMs) * this.#paneMs)
    pane.rows.addFields(fields, timeMs)
    this.#current = pane
    return true
  }

  addRun(run: SampleRun, from: number, doneMs: number): boolean {
    const current = this.#current
    if (!current || run.minMs < current.startMs || run.maxMs >= current.startMs + this.#paneMs) return false
    if (doneMs >= this.#nextEndMs) return false
    current.rows.addRun(run, from)
    if (doneMs > this.#closedMs) this.#closedMs = doneMs
    return true
  }

  advance(ms: number): void {
    if (ms <= this.#closedMs) return
    if (ms >= this.#nextEndMs) this.#close(ms)
    // Windows without records are over as well: a record that belongs to nothing else is late.
    if (ms > this.#closedMs) this.#closedMs = ms
  }

  closeEndedBefore(ms: number): void {
    if (ms >= this.#nextEndMs) this.#close(ms)
  }

  snapshot(): Snapshot {
    return {
      closed: Number.isFinite(this.#closedMs) ? this.#closedMs : null,
      panes: this.#panes.map(({ startMs, rows }) => [startMs, rows.snapshot()]),
    }
  }

  restore(snapshot: unknown): void {
    const { closed, panes } = snapshot as Snapshot
    this.#closedMs = closed ?? Number.NEGATIVE_INFINITY
    this.#panes = panes.map(([startMs, rows]) => ({ startMs, rows: Rows.restore(this.#plan, rows) }))
    this.#current = undefined
    this.#nextEndMs = this.#nextEnd()
  }

  #paneAt(startMs: number): Pane {
    let index = this.#panes.length
    while (index > 0 && (this.#panes[index - 1] as Pane).startMs > startMs) index -= 1
    const before = this.#panes[index - 1]
    if (before?.startMs === startMs) return before
    this.#coarsen()
    const pane = { startMs, rows: new Rows(this.#plan) }
    this.#panes.splice(index, 0, pane)
    this.#nextEndMs = this.#nextEnd()
    return pane
  }

  /** The oldest first: a window that is so full is counted in buckets when it is added up in any case. */
  #coarsen(): void {
    if (!this.#plan.quantiles.includes(true)) return
    let exact = this.#panes.reduce((sum, { rows }) => sum + rows.exactCount, 0)
    for (const { rows } of this.#panes) {
      if (exact <= EXACT_VALUES_MAX) return
      exact -= rows.exactCount
      rows.coarsen()
    }
  }

  /** Closes every window with records that ends at `untilMs` or before. */
  #close(untilMs: number): void {
    while (this.#nextEndMs <= untilMs) {
      const endMs = this.#nextEndMs
      const startMs = endMs - this.#sizeMs
      const inside = this.#panes.filter(pane => pane.startMs >= startMs && pane.startMs < endMs)
      this.#closedMs = endMs
      // A pane whose last window this was is done with.
      this.#panes = this.#panes.filter(pane => pane.startMs >= startMs + this.#hopMs)
      this.#current = undefined
      this.#nextEndMs = this.#nextEnd()
      if (inside.length === 0) continue
      this.#onClosed({ startMs, endMs, sinceMs: Math.max(startMs, endMs - this.#hopMs), rows: this.#sum(inside) })
    }
  }

  #nextEnd(): number {
    const [oldest] = this.#panes
    if (!oldest) return Number.POSITIVE_INFINITY
    const firstEndMs = this.#endAfter(oldest.startMs)
    return Number.isFinite(this.#closedMs) ? Math.max(firstEndMs, this.#endAfter(this.#closedMs)) : firstEndMs
  }

  /** The first end of a window behind a time. */
  #endAfter(ms: number): number {
    return (Math.floor((ms - this.#sizeMs) / this.#hopMs) + 1) * this.#hopMs + this.#sizeMs
  }

  #sum(panes: readonly Pane[]): Rows {
    if (panes.length === 1 && panes[0] && this.#paneMs === this.#hopMs && this.#hopMs === this.#sizeMs) return panes[0].rows
    const sum = new Rows(this.#plan)
    for (const { rows } of panes) sum.merge(rows)
    return sum
  }
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
