import { WORDS_LENGTH_MAX, wordsLength } from '../field-words.ts'
import type { HeldRecord, OrderedStage } from './ordered-windows.ts'
import { type FieldPlan, type RecordSnapshot, Rows, restoreRecord, snapshotRecord } from './row.ts'
import type { OnClosed } from './windows.ts'

/** Records that one sliding window holds; of more, the oldest leave it early. A hopping window has no such bound. */
export const SLIDING_RECORDS_MAX = 10_000
/** Numbers that it holds, times among them: what is kept of a watch has to fit one message of the log, and a number takes up to twenty characters there. */
const NUMBERS_MAX = 40_000

interface Inside extends HeldRecord {
  /** The sum of this record and all that came after it, up to the newest of the older half. */
  readonly sum: Rows
}

/**
 * The window (t − size, t] at every record's time t. Sums cannot be taken back without losing digits, so the records lie in two halves: the
 * older has a sum from each record to its end, the newer one sum of all. A window is one of the former and the latter; each record is added
 * twice in its life.
 */
export class SlidingStage implements OrderedStage {
  readonly #plan: FieldPlan
  /** Sums without percentiles: those would keep each value as often as there are records before it. */
  readonly #sumPlan: FieldPlan
  readonly #sizeMs: number
  readonly #recordsMax: number
  readonly #onClosed: OnClosed
  /** Oldest last, so that it can be taken off the end. */
  #older: Inside[] = []
  #newer: HeldRecord[] = []
  #newerSum: Rows
  #words = 0
  cut = 0

  constructor(plan: FieldPlan, sizeMs: number, onClosed: OnClosed) {
    this.#plan = plan
    this.#sizeMs = sizeMs
    this.#recordsMax = Math.min(SLIDING_RECORDS_MAX, Math.floor(NUMBERS_MAX / (1 + plan.names.length)))
    this.#onClosed = onClosed
    this.#sumPlan = { ...plan, quantiles: plan.names.map(() => false) }
    this.#newerSum = new Rows(this.#sumPlan)
  }

  take(record: HeldRecord): void {
    const { timeMs } = record
    this.#push(record)
    while (this.#oldestMs <= timeMs - this.#sizeMs) this.#drop()
    while (this.#older.length + this.#newer.length > this.#recordsMax || this.#words > WORDS_LENGTH_MAX) {
      this.#drop()
      this.cut += 1
    }
    const rows = new Rows(this.#plan)
    const older = this.#older.at(-1)
    if (older) rows.merge(older.sum)
    rows.merge(this.#newerSum)
    this.#addQuantiles(rows)
    this.#onClosed({ startMs: timeMs - this.#sizeMs, endMs: timeMs, sinceMs: timeMs, rows })
  }

  snapshot(): readonly RecordSnapshot[] {
    const records = [...this.#older.toReversed(), ...this.#newer]
    return records.map(({ timeMs, row }) => snapshotRecord(timeMs, row))
  }

  restore(snapshot: unknown): void {
    this.#older = []
    this.#newer = []
    this.#words = 0
    this.#newerSum = new Rows(this.#sumPlan)
    for (const record of snapshot as readonly RecordSnapshot[]) this.#push(restoreRecord(record))
  }

  get #oldestMs(): number {
    return (this.#older.at(-1) ?? this.#newer[0])?.timeMs ?? Number.POSITIVE_INFINITY
  }

  #addQuantiles(rows: Rows): void {
    for (const [index, wanted] of this.#plan.quantiles.entries()) {
      const quantiles = wanted ? rows.fields[index]?.quantiles : undefined
      if (!quantiles) continue
      for (const { row } of [...this.#older, ...this.#newer]) {
        const value = row[index]
        if (typeof value === 'number') quantiles.add(value)
      }
    }
  }

  #push(record: HeldRecord): void {
    this.#newer.push(record)
    this.#words += wordsLength(record.row)
    this.#newerSum.addRow(record.row, record.timeMs)
  }

  #drop(): void {
    if (this.#older.length === 0) {
      let sum = new Rows(this.#sumPlan)
      for (const record of this.#newer.toReversed()) {
        const own = new Rows(this.#sumPlan)
        own.addRow(record.row, record.timeMs)
        own.merge(sum)
        sum = own
        this.#older.push({ ...record, sum })
      }
      this.#newer = []
      this.#newerSum = new Rows(this.#sumPlan)
    }
    this.#words -= wordsLength(this.#older.pop()?.row ?? [])
  }
}
