import type { Log } from '../../log/log.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Due, Ledger } from '../ledger.ts'
import { Schedule } from './due.ts'
import type { BatchJob, RunRequest } from './job.ts'
import { missingSources } from './readiness.ts'
import type { RunResult } from './runner.ts'

/** How often it is looked whether a job is due, ms. Also how soon a clock that was set is noticed. */
const LOOK_EVERY_MS = 500
/** How often it is looked whether the sources that a run waits for are there, and whether a log that was away is back, ms. */
const ASK_EVERY_MS = 5_000
/** With `catch_up: no` a run that was due longer ago than this, ms, was missed. */
const LATE_MS = 60_000
/** Brokers forget the offsets of a group to which nothing is committed, after 7 days unless set: it is done more often, ms. */
const MIRROR_EVERY_MS = 6 * 3_600_000

export interface SchedulerOptions {
  readonly jobs: readonly BatchJob[]
  readonly log: Log
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
  /** Records not yet read by the job that are there; null while it cannot be known. */
  readonly lag: number | null
  /** Records not yet read by it that the log has no more: no run begins before they are given up. */
  readonly lost: number
  /** Sources for which a run that is due waits. */
  readonly waiting_for: readonly string[]
  readonly running: {
    readonly run: string
    readonly records: number
    readonly total: number
    readonly records_per_second: number
  } | null
}

/** What the scheduler knows of one job with a schedule since the process started. */
interface Watch {
  readonly schedule: Schedule
  /** Up to when it was looked: so that a look costs one step, not all since the last run. */
  lookedMs: number
  /** Not asked again before, on the monotonic clock, ms. */
  askAtMs: number
  /** The run that waits for its sources: it goes on waiting, also when the next one is due. */
  waitsForMs: number | undefined
  missing: readonly string[]
  busy: boolean
  /** A run that was cut off with the core is to be gone on with, and the log was away. */
  resumes: boolean
}

/**
 * Starts jobs when they are due. What is due is decided from the time up to which that was last decided, and from the moments that were due
 * before, both kept in the ledger with the run that began: so nights missed while the process was down are made up for, neither a change of the
 * season nor a clock that was set makes one be skipped or run twice, and a restart in the same minute does not run twice.
 */
export class BatchScheduler {
  readonly #options: SchedulerOptions
  #jobs: readonly BatchJob[]
  readonly #watches = new Map<BatchJob, Watch>()
  readonly #stopping = new AbortController()
  readonly #runs = new Set<Promise<unknown>>()
  #timer: Timer | undefined
  #lookedAtMs: number
  #mirrorAtMs = 0

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#lookedAtMs = options.clock.monotonicMs()
    this.#jobs = options.jobs
    for (const job of options.jobs) this.#watch(job)
  }

  /** Takes over other jobs. A run of one that is not among them any more goes on to its end. */
  change(jobs: readonly BatchJob[]): void {
    this.#jobs = jobs
    for (const job of this.#watches.keys()) if (!jobs.includes(job)) this.#watches.delete(job)
    for (const job of jobs) if (!this.#watches.has(job)) this.#watch(job)
  }

  #watch(job: BatchJob): void {
    const { schedule, timezone } = job.definition.options
    if (schedule === undefined) return
    this.#watches.set(job, {
      schedule: new Schedule(schedule, timezone),
      lookedMs: 0,
      askAtMs: 0,
      waitsForMs: undefined,
      missing: [],
      busy: false,
      resumes: false,
    })
  }

  /** Goes on with runs that were cut off, and looks from now on. */
  start(): void {
    for (const job of this.#jobs) {
      const watch = this.#watches.get(job)
      job.endCutOff('backfill')
      if (!watch) job.endCutOff('run')
      else if (job.wasCutOff) this.#track(job, this.#resume(job, watch))
    }
    this.#look()
  }

  /** Ends running commands, waits for them, keeps what they had not finished for the next start. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopping.abort(new Error('stopping'))
    await Promise.allSettled(this.#runs)
  }

  /** How long ago it looked whether a job is due, ms: twice a second while all is well. */
  get sinceLookMs(): number {
    return this.#options.clock.monotonicMs() - this.#lookedAtMs
  }

  /** The jobs of a name, `<pipeline>.<job>` or the job's alone, which several pipelines may have. */
  named(name: string): readonly BatchJob[] {
    return this.#jobs.filter(job => job.definition.name === name || job.definition.name.split('.')[1] === name)
  }

  get jobs(): readonly BatchJob[] {
    return this.#jobs
  }

  names(): string[] {
    return this.#jobs.map(job => job.definition.name)
  }

  /** Runs a job now, whatever its schedule. */
  run(job: BatchJob, request: RunRequest = {}): Promise<RunResult> {
    return this.carry(job, signal => job.run(signal, request))
  }

  /** Work of a job that is ended with the scheduler. */
  async carry(job: BatchJob, work: (signal: AbortSignal) => Promise<RunResult>): Promise<RunResult> {
    const run = work(this.#stopping.signal)
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
      this.#jobs.map(async job => {
        const { ledger, clock } = this.#options
        const [last] = ledger.runs(job.definition.name, 1)
        const watch = this.#watches.get(job)
        const next = watch?.schedule.nextDue(clock.wallMs())
        const positions = await job.positions().catch(() => undefined)
        const { progress } = job
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
          lag: positions ? positions.reduce((lag, { from, to }) => lag + to - from, 0) : null,
          lost: positions?.reduce((all, { lost }) => all + lost, 0) ?? 0,
          waiting_for: watch?.missing ?? [],
          running: progress
            ? {
                run: progress.run,
                records: progress.records,
                total: progress.total,
                records_per_second: progress.recordsPerSecond,
              }
            : null,
        }
      }),
    )
  }

  #look(): void {
    const { clock } = this.#options
    for (const [job, watch] of this.#watches) {
      try {
        this.#lookAt(job, watch)
      } catch (error) {
        // A disk that is full, or away: neither the process nor the other jobs are to go with it.
        watch.askAtMs = clock.monotonicMs() + ASK_EVERY_MS
        this.#sayUnkept(job, error)
      }
    }
    if (clock.monotonicMs() >= this.#mirrorAtMs) this.#mirror()
    this.#lookedAtMs = clock.monotonicMs()
    this.#timer = clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #mirror(): void {
    const { clock, logger } = this.#options
    this.#mirrorAtMs = clock.monotonicMs() + MIRROR_EVERY_MS
    for (const job of this.#jobs) {
      job.mirror().catch(error => logger.warn({ job: job.definition.name }, `its group was not kept up: ${messageOf(error)}`))
    }
  }

  #lookAt(job: BatchJob, watch: Watch): void {
    const { ledger, clock, logger } = this.#options
    const { name, options } = job.definition
    const now = Math.floor(clock.wallMs())
    const decided = ledger.decidedUntil(name)
    // A job that was never looked at is not due for the time before it was known.
    if (decided === undefined) {
      ledger.setDecidedUntil(name, now)
      return
    }
    if (now < decided || now < watch.lookedMs) {
      logger.warn({ job: name }, `the clock was set back to ${new Date(now).toISOString()}; the schedule goes on from there`)
      watch.lookedMs = 0
      watch.waitsForMs = undefined
      ledger.setDecidedUntil(name, Math.min(now, decided))
      return
    }
    // A job that still runs stays undecided: it is due again as soon as it has ended.
    if (watch.busy || job.running || clock.monotonicMs() < watch.askAtMs) return
    if (watch.resumes) {
      this.#track(job, this.#resume(job, watch))
      return
    }
    const after = Math.max(decided, watch.lookedMs)
    const { waitsForMs } = watch
    const dueMs = waitsForMs ?? this.#due(name, watch.schedule, options.catch_up, after, now)
    if (dueMs === undefined) {
      watch.lookedMs = now
      // Kept now and then only: an idle schedule must not write to the disk twice a second.
      if (now - decided > 3_600_000) ledger.setDecidedUntil(name, now)
      return
    }
    if (options.catch_up === 'no' && waitsForMs === undefined && now - dueMs > LATE_MS) {
      logger.warn({ job: name }, `the run of ${new Date(dueMs).toISOString()} was missed, and is left to the next`)
      ledger.setDue(name, { dueMs, untilMs: now })
      return
    }
    // What became due while it waited is not decided with it.
    const untilMs = options.catch_up === 'each' || waitsForMs !== undefined ? dueMs : now
    this.#track(job, this.#begin(job, watch, { dueMs, untilMs }))
  }

  /** Waited for when the scheduler stops: it writes to the ledger to its end. */
  #track(job: BatchJob, work: Promise<unknown>): void {
    this.#runs.add(work)
    void work.catch(error => this.#sayUnkept(job, error)).finally(() => this.#runs.delete(work))
  }

  #sayUnkept(job: BatchJob, error: unknown): void {
    this.#options.logger.error({ job: job.definition.name }, `when the job is due cannot be kept: ${messageOf(error)}`)
  }

  /** The moment whose run is to be begun; one that was begun before, by a clock that ran ahead, is not due again. */
  #due(name: string, schedule: Schedule, catchUp: 'once' | 'each' | 'no', after: number, now: number): number | undefined {
    const { ledger } = this.#options
    for (let from = after, to = now; ; ) {
      const dueMs = catchUp === 'each' ? schedule.firstDue(from, to) : schedule.latestDue(from, to)
      if (dueMs === undefined || !ledger.wasDue(name, dueMs)) return dueMs
      if (catchUp === 'each') from = dueMs
      else to = dueMs - 1
    }
  }

  /** Starts the run that is due, unless it waits for sources; while it waits it stays undecided, so that a restart waits on. */
  async #begin(job: BatchJob, watch: Watch, due: Due): Promise<void> {
    const { clock, log, ledger, logger } = this.#options
    const { name, options, declared } = job.definition
    watch.busy = true
    try {
      if (options.wait_for) {
        const { within, at_most } = options.wait_for
        const expected = { claims: await job.claims(), declared, globs: options.sources }
        watch.missing = await missingSources(log, expected, due.dueMs - within)
        if (watch.missing.length > 0 && clock.wallMs() < due.dueMs + at_most) {
          watch.askAtMs = clock.monotonicMs() + ASK_EVERY_MS
          watch.waitsForMs = due.dueMs
          return
        }
        if (watch.missing.length > 0)
          logger.warn({ job: name, missing: watch.missing }, 'the run begins without data of some sources')
      }
    } catch (error) {
      watch.askAtMs = clock.monotonicMs() + ASK_EVERY_MS
      logger.warn({ job: name }, `it cannot be seen whether its sources are there: ${messageOf(error)}`)
      return
    } finally {
      watch.busy = false
    }
    // A job that was changed meanwhile is due by what it is now.
    if (this.#stopping.signal.aborted || this.#watches.get(job) !== watch) return
    const { missing } = watch
    watch.missing = []
    const upTo = options.catch_up === 'each' ? { upToMs: due.dueMs } : {}
    if (!(await this.#watched(job, watch, { atMs: due.dueMs, missing, due, ...upTo }))) return
    watch.waitsForMs = undefined
    // Also where it cannot be kept that it had its turn: a run that could not begin is not begun twice a second.
    watch.lookedMs = Math.max(watch.lookedMs, due.untilMs)
    ledger.setDue(name, due)
  }

  async #resume(job: BatchJob, watch: Watch): Promise<void> {
    watch.resumes = !(await this.#watched(job, watch, { resume: true }))
  }

  /** True where a run came about, or cannot; false where the log was away, so that it has to be tried again. */
  async #watched(job: BatchJob, watch: Watch, request: RunRequest): Promise<boolean> {
    const { clock, logger } = this.#options
    watch.busy = true
    try {
      await this.run(job, request)
      return true
    } catch (error) {
      logger.error({ job: job.definition.name }, `batch run could not start: ${messageOf(error)}`)
      watch.askAtMs = clock.monotonicMs() + ASK_EVERY_MS
      return !(error instanceof HeadraceError && error.code === 'log_unavailable') && !this.#stopping.signal.aborted
    } finally {
      watch.busy = false
    }
  }
}
