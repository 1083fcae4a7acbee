import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { sizeText } from '../runtime/units.ts'

const DAY_MS = 86_400_000
/** What is not used is saved up for so long, ms: a burst may use it. */
const SAVED_MS = 3_600_000
/** Of the budget: the rest is for what was saved up before the day began. */
const PACED_SHARE = 1 - SAVED_MS / DAY_MS
/** A rate is told from so much time at the least, and over so much at the most, ms. */
const RATE_OVER_MS = { min: 10 * 60_000, max: 3_600_000 } as const
/** How much the latest commit counts in what one costs. */
const COST_SHARE = 1 / 16

/**
 * How soon records are committed on a disk that wears out: as soon as the budget affords it, and after `durability` at the latest, which is a promise.
 * What a quiet gateway saves up, for an hour, makes it commit at once; a busy one gathers more records for each commit, so that it uses what the budget
 * gives and no more. A load that even at `durability` writes more than the budget is an alarm.
 */
export class FlashPace {
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #perDay: number | undefined
  #credit: number
  #commits = 0
  #seenBytes = 0
  #seenMs: number
  /** Bytes that one commit of records costs, with all that follows from it. */
  #cost = 0
  /** What was written by when; the first is the older end of what a rate is told from. */
  readonly #marks: { readonly atMs: number; readonly bytes: number }[]

  /** `perDay`: the budget, bytes; without one, records wait for `durability` whenever there are others before them. */
  constructor(options: { perDay: number | undefined; clock: Clock; alarms: Alarms }) {
    const { perDay, clock, alarms } = options
    this.#perDay = perDay
    this.#clock = clock
    this.#alarms = alarms
    this.#credit = perDay === undefined ? 0 : this.#capacity(perDay)
    this.#seenMs = clock.monotonicMs()
    this.#marks = [{ atMs: this.#seenMs, bytes: 0 }]
  }

  /** For how long after a commit of records the next one waits, ms; `durabilityMs` at the most. */
  waitMs(durabilityMs: number): number {
    if (this.#perDay === undefined) return durabilityMs
    const used = 1 - this.#credit / this.#capacity(this.#perDay)
    // Behind what was saved up, only the promise counts.
    if (used >= 1) return durabilityMs
    const paced = this.#cost / ((this.#perDay * PACED_SHARE) / DAY_MS)
    return Math.min(durabilityMs, paced * Math.max(0, used))
  }

  /** After a commit of records. */
  committed(): void {
    this.#commits += 1
  }

  /** `writtenBytes`: all that was written since the start. To be called now and then. */
  look(writtenBytes: number): void {
    const nowMs = this.#clock.monotonicMs()
    const bytes = Math.max(0, writtenBytes - this.#seenBytes)
    if (this.#commits > 0 && bytes > 0) {
      const cost = bytes / this.#commits
      this.#cost = this.#cost === 0 ? cost : this.#cost + (cost - this.#cost) * COST_SHARE
      this.#commits = 0
    }
    if (this.#perDay !== undefined) {
      const earned = ((nowMs - this.#seenMs) * this.#perDay * PACED_SHARE) / DAY_MS
      const capacity = this.#capacity(this.#perDay)
      this.#credit = Math.max(-capacity, Math.min(capacity, this.#credit + earned - bytes))
    }
    this.#seenBytes = writtenBytes
    this.#seenMs = nowMs
    this.#mark(nowMs, writtenBytes)
    this.#judge()
  }

  /** Bytes a day at the rate of the last hour; null in the first minutes, of which nothing can be told. */
  get perDayNow(): number | null {
    const first = this.#marks[0]
    const lastedMs = this.#seenMs - (first?.atMs ?? this.#seenMs)
    if (!first || lastedMs < RATE_OVER_MS.min) return null
    return Math.round(((this.#seenBytes - first.bytes) / lastedMs) * DAY_MS)
  }

  #capacity(perDay: number): number {
    return (perDay * PACED_SHARE * SAVED_MS) / DAY_MS
  }

  /** A mark a minute. */
  #mark(atMs: number, bytes: number): void {
    const last = this.#marks.at(-1)
    if (last && atMs - last.atMs >= RATE_OVER_MS.max / 60) this.#marks.push({ atMs, bytes })
    while (this.#marks.length > 1 && atMs - (this.#marks[1]?.atMs ?? atMs) >= RATE_OVER_MS.max) this.#marks.shift()
  }

  #judge(): void {
    const now = this.perDayNow
    if (this.#perDay === undefined || now === null) return
    // A burst may use what was saved up.
    if (this.#credit >= 0 || now <= this.#perDay) {
      this.#alarms.clear('flash_budget')
      return
    }
    this.#alarms.raise('flash_budget', {
      message: `The buffer writes ${(now / 1e9).toFixed(2)} GB a day at the rate of the last hour; buffer.flash_budget is ${sizeText(this.#perDay)}.`,
      advice: 'Give the pipelines a longer durability, read less often, or put the state directory on a disk that bears more.',
    })
  }
}
