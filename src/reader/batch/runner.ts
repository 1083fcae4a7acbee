import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Claim } from '../../log/log.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { pause } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { sourceKey } from '../../runtime/names.ts'
import type { Due, Range, Run, RunKind } from '../ledger.ts'
import { attempt, CommandFailure, runValues } from './attempt.ts'
import type { Fed } from './feed.ts'
import type { JobDefinition, JobDeps } from './job.ts'
import { type Manifest, manifestOf } from './manifest.ts'
import { tellFailure } from './on-failure.ts'
import { fill } from './placeholders.ts'
import { checkThere, runId } from './plan.ts'
import { POISON_PER_RUN_MAX } from './poison.ts'
import { layPoison } from './poison-letters.ts'
import type { Positions } from './positions.ts'
import { Progress } from './progress.ts'
import { RunFolder } from './run-folder.ts'
import { RunLog } from './run-log.ts'

/** The steps of a run; a kill between any two of them leaves nothing or all. */
export const STEPS = [
  'begun',
  'prepared',
  'fed',
  'exited',
  'poison_laid',
  'manifest_written',
  'published',
  'completed',
  'mirrored',
] as const
export type Step = (typeof STEPS)[number]

export type RunResult =
  | ({ readonly outcome: 'done'; readonly run: Run } & Before)
  | { readonly outcome: 'empty' }
  | ({ readonly outcome: 'failed'; readonly run: Run; readonly error: string } & Before)

interface Before {
  /** The run that had failed or was cut off, and that was repeated before this one. */
  readonly repeated?: Run
}

/** What is to be read, frozen. */
export interface Planned {
  readonly kind: RunKind
  readonly ranges: readonly Range[]
  readonly claims: readonly Claim[]
  readonly atMs: number
  readonly missing: readonly string[]
  readonly due?: Due | undefined
}

/** One run of a job as it is under way. */
interface Going extends Planned {
  readonly id: string
  readonly token: string
  readonly folder: RunFolder
  readonly runLog: RunLog
  readonly signal: AbortSignal
}

const SOURCE_NAME_CHARACTERS_MAX = 63
/** Of what older runs than those kept have left, deleted after each run: the process does not stand still for it. */
const PRUNED_PER_RUN_MAX = 40
/** In the job's folder: a run's directory, also half done, its log, and what is beside that. A `run_directory` of somebody's own may be there as well. */
const RUN_ENTRY = /^\.?([0-9a-f]{16})(?:\.|$)/
const RUN_LOG_ENTRY = /^([0-9a-f]{16})\.log/

/** Carries out planned runs of one job, from the ledger's entry to the ledger's entry. */
export class Runner {
  readonly #definition: JobDefinition
  readonly #positions: Positions
  readonly #deps: JobDeps
  progress: Progress | undefined

  constructor(definition: JobDefinition, positions: Positions, deps: JobDeps) {
    this.#definition = definition
    this.#positions = positions
    this.#deps = deps
  }

  async run(planned: Planned, signal: AbortSignal): Promise<RunResult> {
    const { ranges, kind, atMs, missing, due } = planned
    const { ledger, logger, runsDir } = this.#deps
    const { name, options } = this.#definition
    if (!options.run_when_empty && ranges.every(range => range.from === range.to)) return { outcome: 'empty' }
    const id = runId(name, ranges, kind)
    const folder = new RunFolder(this.#directory(id, atMs), id)
    const made = this.#madeUp(id, folder, planned)
    if (made) return made
    if (kind === 'run') await checkThere(this.#deps.log, name, planned.claims, ranges)
    const token = randomUUID()
    const log = join(runsDir, name, `${id}.log`)
    ledger.begin({ id, job: name, ranges, startedMs: this.#now(), kind, atMs, token, missing, directory: folder.final, log, due })
    this.#deps.onStep?.('begun')
    logger.info({ job: name, run: id }, kind === 'run' ? 'batch run started' : 'backfill started')
    const runLog = new RunLog(log)
    this.progress = new Progress(id, ranges, this.#deps)
    try {
      return await this.#carryOut({ ...planned, id, token, folder, runLog, signal })
    } finally {
      runLog.close()
      this.progress = undefined
    }
  }

  /** `going`: the run that failed, or what ends a stop where none could begin. */
  async tellFailure(
    going: Going | Pick<Going, 'signal'>,
    error: string,
    told: { exitCode?: number | null; attempts?: number; advice?: string | undefined } = {},
  ): Promise<void> {
    const { alarms, logger, runsDir } = this.#deps
    const { name, options, folder } = this.#definition
    const run = 'runLog' in going ? going : undefined
    alarms.raise('batch_failed', {
      source: name,
      message: `Job ${name} failed: ${error}`,
      advice:
        told.advice ??
        `See "headrace batch runs ${name}"${run ? ` and ${run.runLog.path}` : ''}; it is tried again with its next run.`,
    })
    if (!options.on_failure) return
    const runLog = run?.runLog ?? new RunLog(join(runsDir, name, 'failures.log'))
    const { exitCode = null, attempts = 0 } = told
    const failure = { job: name, run: run?.id ?? null, error, exit_code: exitCode, attempts, log: run?.runLog.path ?? null }
    await tellFailure(options.on_failure, failure, { folder, runLog, logger, signal: going.signal })
    if (!run) runLog.close()
  }

  /** Whether a run that is not kept as done is done all the same. */
  isPublished(run: Run): boolean {
    return manifestThere(run, new RunFolder(run.directory ?? this.#directory(run.id, run.atMs), run.id)) !== undefined
  }

  /** The directory of this very run is there, and the process ended before that was kept: nothing is left to do but to keep it. */
  #madeUp(id: string, folder: RunFolder, { claims }: Planned): RunResult | undefined {
    const { ledger, logger } = this.#deps
    const { name } = this.#definition
    const [before] = ledger.runsOf(name, id)
    const manifest = before && before.state !== 'done' ? manifestThere(before, folder) : undefined
    if (!manifest) return undefined
    const { records, placeholders, dead, attempts } = manifest
    ledger.complete(name, id, { records, placeholders, dead: dead.length, attempts, endedMs: Date.parse(manifest.ended) })
    void this.#positions.mirror(claims)
    logger.info({ job: name, run: id }, 'the run was done already: its offsets were made up for')
    return { outcome: 'done', run: this.#runOf(id) }
  }

  async #carryOut(going: Going): Promise<RunResult> {
    const { ledger, alarms } = this.#deps
    const { name } = this.#definition
    const tries = { made: 0 }
    try {
      const { fed, startedMs } = await this.#attempts(going, tries)
      this.#deps.onStep?.('exited')
      const { records, placeholders } = await this.#publish(going, fed, { startedMs, attempts: tries.made })
      const dead = fed.skipped.length
      ledger.complete(name, going.id, { records, placeholders, dead, attempts: tries.made, endedMs: this.#now() })
      this.#deps.onStep?.('completed')
      if (going.kind === 'run') await this.#positions.mirror(going.claims)
      this.#deps.onStep?.('mirrored')
      alarms.clear('batch_failed', name)
      this.#prune()
      return { outcome: 'done', run: this.#runOf(going.id) }
    } catch (thrown) {
      return this.#failed(going, thrown, tries.made)
    }
  }

  async #failed(going: Going, thrown: unknown, attempts: number): Promise<RunResult> {
    const { ledger, logger } = this.#deps
    const { name } = this.#definition
    const exitCode = thrown instanceof CommandFailure ? thrown.exitCode : null
    const error = messageOf(thrown)
    ledger.fail(name, going.id, { endedMs: this.#now(), exitCode, error, attempts, interrupted: going.signal.aborted })
    logger.error({ job: name, run: going.id, exitCode }, `batch run failed: ${error}`)
    going.runLog.note(`failed: ${error}`)
    if (!going.signal.aborted) await this.tellFailure(going, error, { exitCode, attempts })
    return { outcome: 'failed', run: this.#runOf(going.id), error }
  }

  /** Starts the command until it ends well, as often as `retry` allows; starts without records that it named as bad do not count. */
  async #attempts(going: Going, tries: { made: number }): Promise<{ fed: Fed; startedMs: number }> {
    const { clock, random, logger } = this.#deps
    const { retry, poison } = this.#definition.options
    const backoff = new Backoff({ firstMs: retry?.first_wait ?? 1, maxMs: retry?.longest_wait ?? 1 }, random)
    for (;;) {
      const startedMs = this.#now()
      tries.made += 1
      try {
        return { fed: await this.#attempt(going, tries.made), startedMs }
      } catch (error) {
        if (poison === 'dead_letter' && error instanceof CommandFailure && this.#setAside(going, error)) {
          tries.made -= 1
          continue
        }
        if (tries.made >= (retry?.attempts ?? 1) || going.signal.aborted) throw error
        const delayMs = backoff.nextMs()
        logger.warn({ job: this.#definition.name, run: going.id, delayMs }, `attempt ${tries.made} failed: ${messageOf(error)}`)
        going.runLog.note(`attempt ${tries.made} failed: ${messageOf(error)}; the next in ${Math.round(delayMs / 1000)} s`)
        await pause(clock, delayMs, going.signal)
      }
    }
  }

  #attempt(going: Going, number: number): Promise<Fed> {
    const { log, ledger, onStep } = this.#deps
    const { id: run, runLog, folder, atMs, ranges, claims, missing, signal } = going
    const poison = ranges.flatMap(({ source, from, to }) => ledger.poison(this.#definition.name, source, from, to))
    const known = claims.flatMap(({ source, fields }) => (fields ? [[sourceKey(source), fields] as const] : []))
    const fields = Object.fromEntries(known.filter(([source]) => ranges.some(range => range.source === source)))
    this.progress?.restart()
    return attempt({
      ...{ definition: this.#definition, log, runLog, folder, run, number, atMs, ranges, fields, poison, missing, signal },
      onProgress: records => this.progress?.add(records),
      step: name => onStep?.(name),
    })
  }

  /** Keeps what the command named as bad; false where it names nothing new, or more than a run may set aside. */
  #setAside(going: Going, failure: CommandFailure): boolean {
    const { ledger } = this.#deps
    const { name } = this.#definition
    const count = () => going.ranges.reduce((sum, { source, from, to }) => sum + ledger.poison(name, source, from, to).length, 0)
    const before = count()
    if (failure.poison.length === 0 || before + failure.poison.length > POISON_PER_RUN_MAX) return false
    ledger.addPoison(name, failure.poison)
    going.runLog.note(messageOf(failure))
    return count() > before
  }

  async #publish(going: Going, fed: Fed, times: { startedMs: number; attempts: number }) {
    const { log, ledger, core, onStep } = this.#deps
    const { name: job } = this.#definition
    const { id: run, folder, ranges, kind, token, atMs, missing } = going
    const dead = fed.skipped.map(({ source, sequence, reason }) => ({ source, sequence, run, reason }))
    if (dead.length > 0) {
      const source = job.replace('.', '-').slice(0, SOURCE_NAME_CHARACTERS_MAX)
      await layPoison(log, { gateway: core, source }, { job, run, ranges, records: fed.skipped })
      ledger.addPoison(job, dead)
    }
    onStep?.('poison_laid')
    const manifest = await manifestOf(folder.working, {
      ...{ run, job, kind, token, atMs, ...times, endedMs: this.#now(), ranges, counts: fed.counts, dead, missing },
    })
    await folder.writeManifest(manifest)
    onStep?.('manifest_written')
    await folder.publish()
    onStep?.('published')
    return manifest
  }

  #directory(id: string, atMs: number): string {
    const { name, options, folder } = this.#definition
    if (options.run_directory === undefined) return join(this.#deps.runsDir, name, id)
    const path = fill(options.run_directory, runValues(this.#definition, id, atMs))
    return isAbsolute(path) ? path : join(folder, path)
  }

  /** By what lies there, and not by the runs that are known: some left something half done, and of some it is forgotten that they were. */
  #prune(): void {
    const { ledger, runsDir } = this.#deps
    const { name, options } = this.#definition
    const kept = new Set(ledger.runs(name, options.keep_runs).map(({ id }) => id))
    // Its directory may tell that it is done.
    const toBeRepeated = ledger.lastRun(name)
    if (toBeRepeated) kept.add(toBeRepeated.id)
    const ours = options.run_directory === undefined ? RUN_ENTRY : RUN_LOG_ENTRY
    const old = readdirSync(join(runsDir, name)).filter(entry => {
      const id = ours.exec(entry)?.[1]
      return id !== undefined && !kept.has(id)
    })
    for (const entry of old.slice(0, PRUNED_PER_RUN_MAX)) rmSync(join(runsDir, name, entry), { recursive: true, force: true })
  }

  #runOf(id: string): Run {
    const [run] = this.#deps.ledger.runsOf(this.#definition.name, id)
    if (!run) throw new HeadraceError('internal', `the ledger lost run ${id} of ${this.#definition.name}`)
    return run
  }

  #now(): number {
    return Math.floor(this.#deps.clock.wallMs())
  }
}

/** The manifest of this very run, and not of another attempt at it. */
function manifestThere({ token }: Run, folder: RunFolder): Manifest | undefined {
  const manifest = folder.manifest()
  return manifest?.token === token ? manifest : undefined
}
