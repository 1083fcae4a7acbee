import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Ledger, Range } from '../ledger.ts'
import { Schedule } from './due.ts'
import type { BatchJob, RunResult } from './job.ts'

/** How often it is looked whether a job is due, ms. Also how soon a clock that was set is noticed. */
const LOOK_EVERY_MS = 500
/** A clock that went back by more than this was set, not changed for the season: schedules go on from the new time. */
const CLOCK_SET_BACK_MS = 2 * 3_600_000

export interface SchedulerOptions {
  readonly jobs: readonly BatchJob[]
  readonly ledger: Ledger
  readonly clock: Clock
  readonly logger: Logger
  /** Told of every run that ended. */
  readonly onRun?: (job: BatchJob, result: RunResult) => void
}

export interface JobStatus {
  readonly job: string
  readonly next_run: string | null
  readonly last_run: {
    readonly id: string
    readonly state: string
    readonly ended: string | null
    readonly records: number
    readonly error: string | null
  } | null
  /** Records not yet read by the job; null while it cannot be known. */
  readonly lag: number | null
}

/**
 * Starts jobs when they are due. What is due is decided from the time up to which that was last decided, kept in the ledger: so nights
 * missed while the process was down are run once, a clock change neither skips nor repeats one, and a restart in the same minute does
 * not run twice.
 */
export class BatchScheduler {
  readonly #options: SchedulerOptions
  readonly #schedules = new Map<BatchJob, Schedule>()
  readonly #stopping = new AbortController()
  readonly #runs = new Set<Promise<unknown>>()
  /** Up to when each job was looked at since the process started: so that a look costs one step, not all since the last run. */
  readonly #looked = new Map<BatchJob, number>()
  #timer: Timer | undefined

  constructor(options: SchedulerOptions) {
    this.#options = options
    for (const job of options.jobs) {
      const { schedule, timezone } = job.definition.options
      if (schedule !== undefined) this.#schedules.set(job, new Schedule(schedule, timezone))
    }
  }

  start(): void {
    this.#look()
  }

  /** Ends running commands, waits for them, keeps what they had not finished for the next start. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopping.abort(new Error('stopping'))
    await Promise.allSettled(this.#runs)
  }

  job(name: string): BatchJob | undefined {
    return this.#options.jobs.find(job => job.definition.name === name || job.definition.name.split('.')[1] === name)
  }

  names(): string[] {
    return this.#options.jobs.map(job => job.definition.name)
  }

  /** Runs a job now, whatever its schedule. */
  async run(job: BatchJob): Promise<RunResult> {
    const run = job.run(this.#stopping.signal)
    this.#runs.add(run)
    try {
      const result = await run
      this.#options.onRun?.(job, result)
      return result
    } finally {
      this.#runs.delete(run)
    }
  }

  async status(): Promise<JobStatus[]> {
    return Promise.all(
      this.#options.jobs.map(async job => {
        const { ledger, clock } = this.#options
        const [last] = ledger.runs(job.definition.name, 1)
        const next = this.#schedules.get(job)?.nextDue(clock.wallMs())
        const positions = await job.positions().catch(() => undefined)
        return {
          job: job.definition.name,
          next_run: next === undefined ? null : new Date(next).toISOString(),
          last_run: last
            ? {
                id: last.id,
                state: last.state,
                ended: last.endedMs === null ? null : new Date(last.endedMs).toISOString(),
                records: last.records,
                error: last.error,
              }
            : null,
          lag: positions ? lagOf(positions) : null,
        }
      }),
    )
  }

  #look(): void {
    for (const [job, schedule] of this.#schedules) this.#lookAt(job, schedule)
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #lookAt(job: BatchJob, schedule: Schedule): void {
    const { ledger, clock, logger } = this.#options
    const { name } = job.definition
    const now = Math.floor(clock.wallMs())
    const decided = ledger.decidedUntil(name)
    // A job that was never looked at is not due for the time before it was known.
    if (decided === undefined) {
      ledger.setDecidedUntil(name, now)
      return
    }
    if (now < decided - CLOCK_SET_BACK_MS) {
      logger.warn({ job: name }, `the clock was set back from ${new Date(decided).toISOString()}; the schedule goes on from now`)
      this.#looked.delete(job)
      ledger.setDecidedUntil(name, now)
      return
    }
    // A job that still runs stays undecided: it is due again as soon as it has ended.
    if (job.running || now <= decided) return
    const due = schedule.latestDue(Math.max(decided, this.#looked.get(job) ?? 0), now)
    this.#looked.set(job, now)
    if (due === undefined) {
      // Kept now and then only: an idle schedule must not write to the disk twice a second.
      if (now - decided > 3_600_000) ledger.setDecidedUntil(name, now)
      return
    }
    ledger.setDecidedUntil(name, now)
    this.run(job).catch(error => logger.error({ job: name }, `batch run could not start: ${messageOf(error)}`))
  }
}

function lagOf(ranges: readonly Range[]): number {
  return ranges.reduce((lag, range) => lag + range.to - range.from, 0)
}
