import type { Claim, Log } from '../../log/log.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { matchesSource, type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Due, Ledger, Run, RunKind } from '../ledger.ts'
import type { ValueShape } from '../render/renderer.ts'
import type { BatchJobOptions } from './options.ts'
import { type Bound, claimsOf, planBackfill, planRun, type Standing, standings } from './plan.ts'
import { Positions } from './positions.ts'
import { type Planned, Runner, type RunResult, type Step } from './runner.ts'

export interface JobDefinition {
  /** `<pipeline>.<job>`: its name in the ledger, in the command line and, with `headrace.` before it, its Kafka consumer group. */
  readonly name: string
  readonly topic: string
  readonly options: BatchJobOptions
  /** Folder of the pipeline file. */
  readonly folder: string
  /** The pipeline's sources, by the names in its file: one that has never brought a record has no place in the log. */
  readonly declared: readonly string[]
  /** Shape of a source's values, from its `decode`. */
  shapeOf(source: SourceId): ValueShape
}

export interface JobDeps {
  readonly log: Log
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** Name of the core, under which bad records are set aside. */
  readonly core: string
  /** Directory for runs and their logs: a directory for each job. */
  readonly runsDir: string
  /** Told of each step of a run, so that a test can end the process between any two. */
  readonly onStep?: (step: Step) => void
}

export interface RunRequest {
  /** The moment for which the run is, ms; now, unless given. */
  readonly atMs?: number
  /** It reads up to the first record that is not older, ms; to the end of the log, unless given. */
  readonly upToMs?: number
  /** Sources that were waited for in vain. */
  readonly missing?: readonly string[]
  /** Records that the log has no more are given up, and that they are is kept. */
  readonly acceptLoss?: true
  /** It is the run that was due then: kept with it, so that it is due no more. */
  readonly due?: Due
  /** Only goes on with the run that was cut off; what has come since is left to the next. */
  readonly resume?: true
}

/**
 * One batch job: an existing command that is handed what is new, and whose offsets move when it says that it is done.
 *
 *   plan (ranges frozen, kept) → command reads → exit 0 → its directory appears → offsets and run kept in one transaction → group in Kafka follows
 *
 * Ended at any point before that transaction, the same ranges are read again, under the same run id; ended between the directory's appearance
 * and the transaction, the run is known by its manifest and only the transaction is made up for.
 */
export class BatchJob {
  readonly definition: JobDefinition
  readonly #deps: JobDeps
  readonly #positions: Positions
  readonly #runner: Runner
  #running: Promise<unknown> | undefined

  constructor(definition: JobDefinition, deps: JobDeps) {
    this.definition = definition
    this.#deps = deps
    this.#positions = new Positions(definition.name, deps)
    this.#runner = new Runner(definition, this.#positions, deps)
  }

  get group(): string {
    return this.#positions.group
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** Takes the place of a job that changed: its run ends first. */
  succeed(before: BatchJob): void {
    const ending = before.#running
    if (!ending) return
    const running = ending
      .catch(() => {})
      .finally(() => {
        if (this.#running === running) this.#running = undefined
      })
    this.#running = running
  }

  /** How far the run is that runs now. */
  get progress() {
    return this.#runner.progress
  }

  /** Runs the job now; two runs never overlap: a second call while one runs throws. */
  run(signal: AbortSignal, request: RunRequest = {}): Promise<RunResult> {
    return this.#alone(() => this.#watched(signal, () => this.#catchUp(signal, request)))
  }

  /** Runs the job over what was read before, or not yet; its offsets stay where they are. */
  backfill(signal: AbortSignal, options: { from: Bound; to: Bound; source: string }): Promise<RunResult> {
    return this.#alone(async () => {
      const claims = (await this.claims()).filter(claim => matchesSource(options.source, claim.source))
      if (claims.length === 0) throw new HeadraceError('not_found', `the job reads no source that fits "${options.source}"`)
      const ranges = await planBackfill(this.#deps.log, claims, options.from, options.to)
      return this.#runner.run({ kind: 'backfill', ranges, claims, atMs: this.#now(), missing: [] }, signal)
    })
  }

  /** The job's offsets are changed by `change`, which no run may overlap. */
  move<Result>(change: (claims: readonly Claim[], positions: Positions) => Promise<Result>): Promise<Result> {
    return this.#alone(async () => change(await this.claims(), this.#positions))
  }

  /** Where the job stands in each source, and how far the log goes. */
  async positions(): Promise<Standing[]> {
    const claims = await this.claims()
    return standings(this.#deps.log, claims, await this.#positions.of(claims))
  }

  /** Keeps that the job stands at `first` of a source of which it has read nothing yet: so it is told of what is deleted from there on. */
  async keepPlace(source: SourceId, first: number): Promise<void> {
    const { ledger } = this.#deps
    const known = await this.#positions.of(await this.claims())
    if (!known.has(sourceKey(source))) ledger.setOffsets(this.definition.name, new Map([[sourceKey(source), first]]))
  }

  claims(): Promise<Claim[]> {
    return claimsOf(this.#deps.log, this.definition.topic, this.definition.options.sources)
  }

  /** Brings the job's consumer group up to the ledger: brokers forget groups that nothing commits to. */
  async mirror(): Promise<void> {
    if (!this.running) await this.#positions.mirror(await this.claims())
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running) {
      throw new HeadraceError('command_failed', `job ${this.definition.name} is running already`, {
        advice: 'Wait until it has ended.',
      })
    }
    const running = work().finally(() => {
      this.#running = undefined
    })
    this.#running = running
    return running
  }

  /** What keeps a run from beginning is a failure of the job too; a log that is away is not: it is waited for, and nobody is told each time. */
  async #watched(signal: AbortSignal, work: () => Promise<RunResult>): Promise<RunResult> {
    try {
      return await work()
    } catch (error) {
      const { code, advice } = error instanceof HeadraceError ? error : {}
      if (code !== 'log_unavailable' && !signal.aborted) await this.#runner.tellFailure({ signal }, messageOf(error), { advice })
      throw error
    }
  }

  /** A run that was cut off is repeated as it was; what has come since is the next run's. */
  async #catchUp(signal: AbortSignal, request: RunRequest): Promise<RunResult> {
    const claims = await this.claims()
    const cutOff = this.#interrupted(await this.#positions.of(claims))
    const before = request.acceptLoss ? await this.#acceptLosses(claims, cutOff) : cutOff
    if (!before && request.resume) return { outcome: 'empty' }
    if (!before) return this.#runner.run(await this.#plan(claims, request), signal)
    const repeated = await this.#runner.run({ ...before, claims }, signal)
    if (repeated.outcome === 'failed' || request.resume) return repeated
    const rest = await this.#runner.run(await this.#plan(claims, request), signal)
    return rest.outcome === 'empty' || repeated.outcome === 'empty' ? repeated : { ...rest, repeated: repeated.run }
  }

  async #plan(claims: readonly Claim[], { atMs, upToMs, missing = [], due }: RunRequest): Promise<Planned> {
    const { name } = this.definition
    const ranges = await planRun(this.#deps.log, name, claims, this.#deps.ledger.offsets(name), upToMs)
    return { kind: 'run', ranges, claims, atMs: atMs ?? this.#now(), missing, due }
  }

  /** Whether a run was cut off with the core, or stopped with it. */
  get wasCutOff(): boolean {
    const last = this.#deps.ledger.lastRun(this.definition.name)
    return last !== undefined && (last.state === 'running' || (last.state === 'failed' && last.interrupted))
  }

  /** What was begun by hand and cut off with the core is not begun again by itself: whoever wanted it can say so. */
  endCutOff(kind: RunKind): void {
    this.#deps.ledger.endCutOff(this.definition.name, kind, this.#now())
  }

  /** The run that was cut off or failed: it is the next to be read, unchanged. */
  #interrupted(offsets: ReadonlyMap<string, number>): Run | undefined {
    const last = this.#deps.ledger.lastRun(this.definition.name)
    if (!last || last.state === 'done') return undefined
    // After a reset the operator's offsets count, not what an older run meant to read.
    return last.ranges.every(range => (offsets.get(range.source) ?? range.from) === range.from) ? last : undefined
  }

  /** Gives up what is gone; what is left of the run that was `cutOff` where it is to be repeated none the less. */
  async #acceptLosses(claims: readonly Claim[], cutOff: Run | undefined): Promise<Run | undefined> {
    // What it was to read is read: nothing of that is lost.
    if (cutOff && this.#runner.isPublished(cutOff)) return cutOff
    const { ledger, logger } = this.#deps
    const { losses, offsets } = await this.#positions.losses(claims, cutOff?.ranges ?? [], this.#now())
    if (losses.length === 0) return cutOff
    ledger.acceptLosses(this.definition.name, losses, offsets)
    for (const { source, first, next } of losses)
      logger.warn({ job: this.definition.name, source }, `records [${first}, ${next}) were given up: the log has them no more`)
    return this.#interrupted(ledger.offsets(this.definition.name))
  }

  #now(): number {
    return Math.floor(this.#deps.clock.wallMs())
  }
}
