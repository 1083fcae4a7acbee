import type { Sample } from '../analyser.ts'
import { WORDS_LENGTH_MAX, wordsLength } from '../field-words.ts'
import { type FieldPlan, type RecordSnapshot, type Row, restoreRecord, rowOf, snapshotRecord } from './row.ts'
import type { Windows } from './windows.ts'

/** Records of one watch that wait for earlier ones; more do not wait any longer. */
const HELD_MAX = 10_000

export interface HeldRecord {
  readonly timeMs: number
  readonly row: Row
}

/** What becomes of records once they are in order of time. */
export interface OrderedStage {
  take(record: HeldRecord): void
  /** See {@link Windows.cut}. */
  readonly cut?: number
  snapshot(): unknown
  restore(snapshot: unknown): void
}

interface Snapshot {
  readonly released: number | null
  readonly held: readonly RecordSnapshot[]
  readonly stage: unknown
}

/** Windows that need their records in order: holds each until no earlier one can come, then hands it on. */
export class OrderedWindows implements Windows {
  readonly #plan: FieldPlan
  readonly #stage: OrderedStage
  /** In order of time; of equal times in that of arrival. */
  #held: HeldRecord[] = []
  #heldWords = 0
  #releasedMs = Number.NEGATIVE_INFINITY

  constructor(plan: FieldPlan, stage: OrderedStage) {
    this.#plan = plan
    this.#stage = stage
  }

  add({ timeMs }: Sample, fields: Readonly<Record<string, unknown>>): boolean {
    if (timeMs < this.#releasedMs) return false
    let index = this.#held.length
    while (index > 0 && (this.#held[index - 1] as HeldRecord).timeMs > timeMs) index -= 1
    const row = rowOf(this.#plan, fields)
    this.#held.splice(index, 0, { timeMs, row })
    this.#heldWords += wordsLength(row)
    if (this.#held.length > HELD_MAX || this.#heldWords > WORDS_LENGTH_MAX) this.#releaseUntil(this.#held[0]?.timeMs ?? timeMs)
    return true
  }

  get cut(): number {
    return this.#stage.cut ?? 0
  }

  advance(ms: number): void {
    this.#releaseUntil(ms)
    this.#releasedMs = Math.max(this.#releasedMs, ms)
  }

  closeEndedBefore(ms: number): void {
    this.#releaseUntil(ms)
  }

  snapshot(): Snapshot {
    return {
      released: Number.isFinite(this.#releasedMs) ? this.#releasedMs : null,
      held: this.#held.map(({ timeMs, row }) => snapshotRecord(timeMs, row)),
      stage: this.#stage.snapshot(),
    }
  }

  restore(snapshot: unknown): void {
    const { released, held, stage } = snapshot as Snapshot
    this.#releasedMs = released ?? Number.NEGATIVE_INFINITY
    this.#held = held.map(restoreRecord)
    this.#heldWords = this.#held.reduce((sum, { row }) => sum + wordsLength(row), 0)
    this.#stage.restore(stage)
  }

  #releaseUntil(ms: number): void {
    let count = 0
    while (count < this.#held.length && (this.#held[count] as HeldRecord).timeMs <= ms) count += 1
    if (count === 0) return
    const released = this.#held.splice(0, count)
    this.#releasedMs = Math.max(this.#releasedMs, released.at(-1)?.timeMs ?? ms)
    for (const record of released) {
      this.#heldWords -= wordsLength(record.row)
      this.#stage.take(record)
    }
  }
}
