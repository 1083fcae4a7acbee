import type { Sample } from '../analyser.ts'
import type { SampleRun } from '../sample-run.ts'
import type { Rows } from './row.ts'

/** A window that is over. */
export interface ClosedWindow {
  readonly startMs: number
  readonly endMs: number
  /** From when on this window says something that the one before it did not: hold times are counted from there. */
  readonly sinceMs: number
  readonly rows: Rows
}

/** Windows of one kind over the records of one watch, by event time. Whatever closes is handed to the function given at construction. */
export interface Windows {
  /** False where the record is too late for every window that it belongs to. */
  add(sample: Sample, fields: Readonly<Record<string, unknown>>): boolean
  /**
   * {@link advance} to the time of each record and {@link add}, for all of them from the one at `from` on, where nothing closes on the way and none is
   * late; `doneMs`: where they lead. False where it may be otherwise: then nothing was added.
   */
  addRun?(run: SampleRun, from: number, doneMs: number): boolean
  /** No record with a time before `ms` comes any more, but for late ones. */
  advance(ms: number): void
  /** The clock: closes what holds records and ended before `ms`. What comes later than that, and belongs to a later window, still counts. */
  closeEndedBefore(ms: number): void
  /** Records that left a window before their time, because it was full. */
  readonly cut?: number
  snapshot(): unknown
  restore(snapshot: unknown): void
}

export type OnClosed = (window: ClosedWindow) => void
