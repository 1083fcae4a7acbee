import { randomUUID } from 'node:crypto'
import type { Alert } from '../analyser/analyser.ts'
import type { LoadedPipeline } from '../config/load.ts'
import type { BatchJob } from '../reader/batch/job.ts'
import type { Retention } from '../reader/batch/retention.ts'
import type { RunResult } from '../reader/batch/runner.ts'
import { BatchScheduler } from '../reader/batch/scheduler.ts'
import type { AlertBook } from '../reader/realtime/alert-book.ts'
import type { AnalyserRunner } from '../reader/realtime/runner.ts'
import { SharedAlerts } from '../reader/realtime/shared-alerts.ts'
import { analyserFacts, createAnalysers, createJob, createRetention, type JobPlan, jobPlans, type ReaderDeps } from './readers.ts'
import type { Tracing } from './tracing.ts'

export interface CoreReadersDeps extends ReaderDeps {
  /** Whether this core runs batch jobs, and analysers. */
  readonly runs: { readonly batch: boolean; readonly analysers: boolean }
  readonly onRun?: (job: string, result: RunResult) => void
  readonly onAlert?: (alert: Alert) => void
  readonly book: AlertBook
  readonly tracing?: Tracing | undefined
}

/** What is fed from one pass over the log: analysers, and what their alerts are held back by. */
type Realtime = Awaited<ReturnType<typeof createAnalysers>>

/** What a change of the pipelines did to the readers, by names. */
export interface ReaderChanges {
  readonly jobs: { readonly started: readonly string[]; readonly changed: readonly string[]; readonly removed: readonly string[] }
  readonly analysers: 'went on' | 'started anew'
}

/** Batch jobs, retention and analysers of a core; its pipelines may change under them. */
export class CoreReaders {
  readonly scheduler: BatchScheduler
  readonly #deps: CoreReadersDeps
  /** With what each job was made. */
  readonly #jobs = new Map<string, { readonly plan: JobPlan; readonly job: BatchJob }>()
  #retention: Retention
  #realtime: Realtime
  readonly #shared: SharedAlerts | undefined
  #analyserFacts: string
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(deps: CoreReadersDeps, pipelines: readonly LoadedPipeline[], realtime: Realtime) {
    const { log, ledger, clock, logger, onRun } = deps
    this.#deps = deps
    for (const plan of this.#plans(pipelines)) this.#jobs.set(plan.name, { plan, job: createJob(plan, deps) })
    this.scheduler = new BatchScheduler({
      ...{ log, ledger, clock, logger },
      jobs: this.#list(),
      ...(onRun && { onRun: (job, result) => onRun(job.definition.name, result) }),
    })
    this.#retention = createRetention(deps.runs.batch ? pipelines : [], this.#list(), deps)
    this.#realtime = realtime
    const owner = { core: deps.name, instance: randomUUID() }
    this.#shared = deps.book.shares ? new SharedAlerts({ log, clock, logger, owner, book: deps.book }) : undefined
    this.#analyserFacts = analyserFacts(pipelines)
  }

  /** Rejects with a {@link ConfigError} where a module of an analyser cannot be loaded. */
  static async open(deps: CoreReadersDeps, pipelines: readonly LoadedPipeline[]): Promise<CoreReaders> {
    return new CoreReaders(deps, pipelines, await createAnalysers(deps.runs.analysers ? pipelines : [], deps))
  }

  get analysers(): AnalyserRunner {
    return this.#realtime.runner
  }

  start(): void {
    this.scheduler.start()
    this.#retention.start()
    this.#realtime.runner.start()
    this.#realtime.silences.start()
    this.#shared?.start()
  }

  async stop(): Promise<void> {
    await this.#turn
    await Promise.allSettled([this.scheduler.stop(), this.#retention.stop(), this.#stopRealtime()])
    await this.#shared?.stop()
  }

  /**
   * Takes over other pipelines: jobs that are as before go on, and where any analyser changed all are started anew from what they kept, which is the
   * same for those that did not. Rejects before anything is changed.
   */
  apply(pipelines: readonly LoadedPipeline[]): Promise<ReaderChanges> {
    const applied = this.#turn.then(() => this.#apply(pipelines))
    this.#turn = applied.catch(() => {})
    return applied
  }

  async #apply(pipelines: readonly LoadedPipeline[]): Promise<ReaderChanges> {
    const { runs } = this.#deps
    const facts = analyserFacts(pipelines)
    const realtime =
      facts === this.#analyserFacts ? undefined : await createAnalysers(runs.analysers ? pipelines : [], this.#deps)
    await this.#retention.stop()
    const jobs = this.#changeJobs(this.#plans(pipelines))
    this.#retention = createRetention(runs.batch ? pipelines : [], this.#list(), this.#deps)
    this.#retention.start()
    if (realtime) {
      await this.#stopRealtime()
      this.#realtime = realtime
      this.#analyserFacts = facts
      realtime.runner.start()
      realtime.silences.start()
    }
    return { jobs, analysers: realtime ? 'started anew' : 'went on' }
  }

  async #stopRealtime(): Promise<void> {
    await Promise.all([this.#realtime.silences.stop(), this.#realtime.runner.stop()])
  }

  #changeJobs(plans: readonly JobPlan[]): ReaderChanges['jobs'] {
    const wanted = new Set(plans.map(({ name }) => name))
    const removed = [...this.#jobs.keys()].filter(name => !wanted.has(name))
    for (const name of removed) this.#jobs.delete(name)
    const started: string[] = []
    const changed: string[] = []
    for (const plan of plans) {
      const standing = this.#jobs.get(plan.name)
      if (standing?.plan.facts === plan.facts) continue
      const job = createJob(plan, this.#deps)
      if (standing) job.succeed(standing.job)
      this.#jobs.set(plan.name, { plan, job })
      const list = standing ? changed : started
      list.push(plan.name)
    }
    this.scheduler.change(this.#list())
    return { started, changed, removed }
  }

  #plans(pipelines: readonly LoadedPipeline[]): JobPlan[] {
    return this.#deps.runs.batch ? jobPlans(pipelines) : []
  }

  #list(): BatchJob[] {
    return [...this.#jobs.values()].map(({ job }) => job)
  }
}
