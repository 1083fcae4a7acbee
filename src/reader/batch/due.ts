import { createTask, parse } from 'node-cron'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** A schedule is looked through over at most this much, both ways: a 29 February is in it. */
const LOOK_MS = 5 * 365.25 * DAY_MS
/** Zones change their time at the quarters of an hour only: within one the distance from UTC is the same. */
const QUARTER_MS = 15 * MINUTE_MS
/** Quarters whose distance from UTC is remembered, and days of which it is known whether anything is due. */
const REMEMBERED_MAX = 4_096
/** How far clocks are put back: by an hour, on Lord Howe Island by half of one, at Troll by two. */
const PUT_BACK_MS = [HOUR_MS, HOUR_MS / 2, 2 * HOUR_MS]

/**
 * Decides from times alone when a job is due; no timer of a library is trusted with it. node-cron tells whether a pattern matches a moment.
 *
 * Local time is what a person means by "at 2:30". In spring an hour of it does not exist: what was due in it is due at the first moment
 * after it. In autumn an hour comes twice: a job with fixed hours runs in the first of them only.
 */
export class Schedule {
  readonly #task: { match(date: Date): boolean }
  readonly #hours: ReadonlySet<number>
  readonly #minutes: ReadonlySet<number>
  readonly #seconds: ReadonlySet<number>
  /** From the beginning of a day to the first time at which something is due on days on which it is. */
  readonly #firstOfDayMs: number
  readonly #stepMs: number
  readonly #everyHour: boolean
  readonly #localTime: Intl.DateTimeFormat
  readonly #offsets = new Map<number, number>()
  readonly #days = new Map<number, boolean>()

  constructor(pattern: string, timeZone: string) {
    // Local time is handed over as if it were UTC, so that moments which a clock change skips can be asked for as well.
    this.#task = createTask(pattern, () => {}, { timezone: 'UTC' })
    const { hour, minute, second } = parse(pattern)
    this.#hours = new Set(hour)
    this.#minutes = new Set(minute)
    this.#seconds = new Set(second)
    this.#firstOfDayMs = (hour[0] ?? 0) * HOUR_MS + (minute[0] ?? 0) * MINUTE_MS + (second[0] ?? 0) * SECOND_MS
    this.#stepMs = pattern.trim().split(/\s+/).length > 5 ? SECOND_MS : MINUTE_MS
    this.#everyHour = this.#hours.size === 24
    this.#localTime = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
  }

  /** The latest moment in (`afterMs`, `untilMs`] at which a run was due; undefined where there is none. */
  latestDue(afterMs: number, untilMs: number): number | undefined {
    const after = Math.max(afterMs, untilMs - LOOK_MS)
    let moment = Math.floor(untilMs / this.#stepMs) * this.#stepMs
    while (moment > after) {
      const quiet = this.#quietAround(moment)
      if (!quiet && this.#isDue(moment)) return moment
      moment = (quiet?.fromMs ?? moment) - this.#stepMs
    }
    return undefined
  }

  /** The earliest moment in (`afterMs`, `untilMs`] at which a run was due, within what {@link latestDue} looks back over. */
  firstDue(afterMs: number, untilMs: number): number | undefined {
    let moment = Math.floor(Math.max(afterMs, untilMs - LOOK_MS) / this.#stepMs) * this.#stepMs + this.#stepMs
    while (moment <= untilMs) {
      const quiet = this.#quietAround(moment)
      if (!quiet && this.#isDue(moment)) return moment
      moment = quiet?.toMs ?? moment + this.#stepMs
    }
    return undefined
  }

  /** The next moment after `afterMs` at which a run is due; undefined where there is none for years. */
  nextDue(afterMs: number): number | undefined {
    return this.firstDue(afterMs, afterMs + LOOK_MS)
  }

  /** The day, or the hour, around a moment, where nothing is due in it: a year of minutes is not looked at one by one. */
  #quietAround(moment: number): { fromMs: number; toMs: number } | undefined {
    for (const lengthMs of [DAY_MS, HOUR_MS]) {
      const fromMs = Math.floor(moment / lengthMs) * lengthMs
      const toMs = fromMs + lengthMs
      const offset = this.#offsetMs(fromMs - this.#stepMs)
      // Where the clock changes, each moment counts.
      if (this.#offsetMs(toMs) !== offset) continue
      const locals = [fromMs + offset, toMs + offset - 1]
      const mayBeDue = (local: number) => (lengthMs === DAY_MS ? this.#isDay(local) : this.#hours.has(hourOf(local)))
      if (!locals.some(mayBeDue)) return { fromMs, toMs }
    }
    return undefined
  }

  /** Whether anything is due on the day of a local time. */
  #isDay(local: number): boolean {
    const day = Math.floor(local / DAY_MS)
    return remembered(this.#days, day, () => this.#task.match(new Date(day * DAY_MS + this.#firstOfDayMs)))
  }

  #matches(local: number): boolean {
    return (
      this.#hours.has(hourOf(local)) &&
      this.#minutes.has(Math.floor(local / MINUTE_MS) % 60) &&
      this.#seconds.has(Math.floor(local / SECOND_MS) % 60) &&
      this.#isDay(local)
    )
  }

  #isDue(moment: number): boolean {
    const local = this.#localMs(moment)
    const before = this.#localMs(moment - this.#stepMs)
    if (local === before + this.#stepMs) return this.#matches(local) && !this.#isSecondTime(moment, local)
    if (local <= before) return this.#everyHour && this.#matches(local)
    for (let skipped = before + this.#stepMs; skipped <= local; skipped += this.#stepMs) {
      if (this.#matches(skipped)) return true
    }
    return false
  }

  /** Whether this local time was there before: the clock has been put back. */
  #isSecondTime(moment: number, local: number): boolean {
    if (this.#everyHour) return false
    return PUT_BACK_MS.some(backMs => this.#localMs(moment - backMs) === local)
  }

  /** Local wall time of a moment, as the milliseconds that UTC would need to show it. */
  #localMs(moment: number): number {
    return moment + this.#offsetMs(moment)
  }

  #offsetMs(moment: number): number {
    const quarter = Math.floor(moment / QUARTER_MS)
    return remembered(this.#offsets, quarter, () => {
      const part: Record<string, number> = {}
      for (const { type, value } of this.#localTime.formatToParts(quarter * QUARTER_MS)) part[type] = Number(value)
      const { year = 0, month = 1, day, hour, minute, second } = part
      return Date.UTC(year, month - 1, day, hour, minute, second) - quarter * QUARTER_MS
    })
  }
}

function hourOf(local: number): number {
  return Math.floor(local / HOUR_MS) % 24
}

function remembered<Value>(known: Map<number, Value>, key: number, find: () => Value): Value {
  const before = known.get(key)
  if (before !== undefined) return before
  if (known.size >= REMEMBERED_MAX) known.clear()
  const found = find()
  known.set(key, found)
  return found
}
