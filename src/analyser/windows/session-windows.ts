import type { Sample } from '../analyser.ts'
import { type FieldPlan, Rows, type RowsSnapshot } from './row.ts'
import type { OnClosed, Windows } from './windows.ts'

/** Open sessions of one watch; records from a clock that jumps about open more, and then the oldest is closed. */
const SESSIONS_MAX = 1_000

interface Session {
  startMs: number
  lastMs: number
  rows: Rows
}

interface Snapshot {
  readonly closed: number | null
  readonly sessions: readonly (readonly [number, number, RowsSnapshot])[]
}

/** Sessions: records less than `gapMs` apart belong together; a session ends `gapMs` after its last record. */
export class SessionWindows implements Windows {
  readonly #plan: FieldPlan
  readonly #gapMs: number
  readonly #onClosed: OnClosed
  /** In order of time; at least the gap apart. */
  #sessions: Session[] = []
  /** Every session that ends here or before is closed. */
  #closedMs = Number.NEGATIVE_INFINITY

  constructor(plan: FieldPlan, gapMs: number, onClosed: OnClosed) {
    this.#plan = plan
    this.#gapMs = gapMs
    this.#onClosed = onClosed
  }

  add({ timeMs }: Sample, fields: Readonly<Record<string, unknown>>): boolean {
    const touched = this.#sessions.filter(
      session => timeMs > session.startMs - this.#gapMs && timeMs < session.lastMs + this.#gapMs,
    )
    const [first, second] = touched
    if (!first) {
      if (timeMs + this.#gapMs <= this.#closedMs) return false
      const rows = new Rows(this.#plan)
      rows.addFields(fields, timeMs)
      this.#sessions.push({ startMs: timeMs, lastMs: timeMs, rows })
      this.#sessions.sort((a, b) => a.startMs - b.startMs)
      if (this.#sessions.length > SESSIONS_MAX) this.#closeFirst()
      return true
    }
    first.rows.addFields(fields, timeMs)
    first.startMs = Math.min(first.startMs, timeMs)
    first.lastMs = Math.max(first.lastMs, timeMs)
    if (second) {
      // The record is what was missing between the two.
      first.rows.merge(second.rows)
      first.lastMs = Math.max(first.lastMs, second.lastMs)
      this.#sessions = this.#sessions.filter(session => session !== second)
    }
    return true
  }

  advance(ms: number): void {
    this.closeEndedBefore(ms)
    this.#closedMs = Math.max(this.#closedMs, ms)
  }

  closeEndedBefore(ms: number): void {
    while (this.#sessions[0] && this.#sessions[0].lastMs + this.#gapMs <= ms) this.#closeFirst()
  }

  snapshot(): Snapshot {
    return {
      closed: Number.isFinite(this.#closedMs) ? this.#closedMs : null,
      sessions: this.#sessions.map(({ startMs, lastMs, rows }) => [startMs, lastMs, rows.snapshot()]),
    }
  }

  restore(snapshot: unknown): void {
    const { closed, sessions } = snapshot as Snapshot
    this.#closedMs = closed ?? Number.NEGATIVE_INFINITY
    this.#sessions = sessions.map(([startMs, lastMs, rows]) => ({ startMs, lastMs, rows: Rows.restore(this.#plan, rows) }))
  }

  #closeFirst(): void {
    const session = this.#sessions.shift()
    if (!session) return
    const endMs = session.lastMs + this.#gapMs
    this.#closedMs = Math.max(this.#closedMs, endMs)
    this.#onClosed({ startMs: session.startMs, endMs, sinceMs: session.startMs, rows: session.rows })
  }
}
