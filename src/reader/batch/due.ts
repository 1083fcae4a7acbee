import { createTask, parse } from 'node-cron'

/** A schedule is looked back over at most this many of its steps: about 70 days of minutes, or a day of seconds. */
const STEPS_BACK_MAX = 100_000
const MINUTE_MS = 60_000
const SECOND_MS = 1_000

/**
 * Decides from times alone when a job is due; no timer of a library is trusted with it. node-cron tells whether a pattern matches a moment.
 *
 * Local time is what a person means by "at 2:30". In spring an hour of it does not exist: what was due in it is due at the first moment
 * after it. In autumn an hour comes twice: a job with fixed hours runs in the first of them only.
 */
export class Schedule {
  readonly #matches: (localMs: number) => boolean
  readonly #stepMs: number
  readonly #everyHour: boolean
  readonly #localTime: Intl.DateTimeFormat

  constructor(pattern: string, timeZone: string) {
    // Local time is handed over as if it were UTC, so that moments which a clock change skips can be asked for as well.
    const task = createTask(pattern, () => {}, { timezone: 'UTC' })
    this.#matches = localMs => task.match(new Date(localMs))
    this.#stepMs = pattern.trim().split(/\s+/).length > 5 ? SECOND_MS : MINUTE_MS
    this.#everyHour = parse(pattern).hour.length === 24
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
    let moment = Math.floor(untilMs / this.#stepMs) * this.#stepMs
    for (let steps = 0; moment > afterMs && steps < STEPS_BACK_MAX; steps++) {
      if (this.#isDue(moment)) return moment
      moment -= this.#stepMs
    }
    return undefined
  }

  /** The earliest moment in (`afterMs`, `untilMs`] at which a run was due, within what {@link latestDue} looks back over. */
  firstDue(afterMs: number, untilMs: number): number | undefined {
    const from = Math.max(afterMs, untilMs - STEPS_BACK_MAX * this.#stepMs)
    for (let moment = Math.floor(from / this.#stepMs) * this.#stepMs + this.#stepMs; moment <= untilMs; moment += this.#stepMs) {
      if (this.#isDue(moment)) return moment
    }
    return undefined
  }

  /** The next moment after `afterMs` at which a run is due, within what {@link latestDue} would look back over. */
  nextDue(afterMs: number): number | undefined {
    let moment = Math.floor(afterMs / this.#stepMs) * this.#stepMs
    for (let steps = 0; steps < STEPS_BACK_MAX; steps++) {
      moment += this.#stepMs
      if (this.#isDue(moment)) return moment
    }
    return undefined
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

  /** Whether this local time was there an hour ago already: the clock has been put back. */
  #isSecondTime(moment: number, local: number): boolean {
    if (this.#everyHour) return false
    return this.#localMs(moment - 3_600_000) === local
  }

  /** Local wall time of a moment, as the milliseconds that UTC would need to show it. */
  #localMs(moment: number): number {
    const part: Record<string, number> = {}
    for (const { type, value } of this.#localTime.formatToParts(moment)) part[type] = Number(value)
    return Date.UTC(part['year'] ?? 0, (part['month'] ?? 1) - 1, part['day'], part['hour'], part['minute'], part['second'])
  }
}
