import type { Log } from '../../log/log.ts'
import { readRange } from '../../log/read-range.ts'
import { visitRecords } from '../../record/batch-reader.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { parseSourceKey, type SourceId } from '../../runtime/names.ts'
import type { Ledger, Range, Run } from '../ledger.ts'
import { LineWriter } from '../render/line-writer.ts'
import { csvRenderer, ndjsonRenderer, type Renderer, rawRenderer, type ValueShape } from '../render/renderer.ts'
import { Command } from './command.ts'
import type { BatchJobOptions } from './options.ts'
import { claimsOf, planRun, runId } from './plan.ts'

/** Bytes of batches that one fetch brings; a run holds about two of them. */
const FETCH_BYTES = 8 * 2 ** 20

export interface JobDefinition {
  /** `<pipeline>.<job>`: its name in the ledger, in the command line and, with `headrace.` before it, its Kafka consumer group. */
  readonly name: string
  readonly topic: string
  readonly options: BatchJobOptions
  /** Folder of the pipeline file. */
  readonly folder: string
  /** Shape of a source's values, from its `decode`. */
  shapeOf(source: SourceId): ValueShape
}

export interface JobDeps {
  readonly log: Log
  readonly ledger: Ledger
  readonly clock: Clock
  readonly logger: Logger
}

export type RunResult =
  | { readonly outcome: 'done'; readonly run: Run }
  | { readonly outcome: 'empty' }
  | { readonly outcome: 'failed'; readonly run: Run; readonly error: string }

/**
 * One batch job: an existing command that is handed what is new, and whose offsets move when it says that it is done.
 *
 *   plan (ranges frozen, kept) → command reads → exit 0 → offsets and run kept in one transaction → group in Kafka follows
 *
 * Ended at any point before that transaction, the same ranges are read again, under the same run id.
 */
export class BatchJob {
  readonly definition: JobDefinition
  readonly #deps: JobDeps
  #running: Promise<RunResult> | undefined

  constructor(definition: JobDefinition, deps: JobDeps) {
    this.definition = definition
    this.#deps = deps
  }

  get group(): string {
    return `headrace.${this.definition.name}`
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** Runs the job now; two runs never overlap: a second call while one runs rejects. */
  run(signal: AbortSignal): Promise<RunResult> {
    if (this.#running) {
      throw new HeadraceError('command_failed', `job ${this.definition.name} is running already`, {
        advice: 'Wait until it has ended.',
      })
    }
    this.#running = this.#catchUp(signal).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Where the job stands in each source, and how far the log goes. */
  async positions(): Promise<Range[]> {
    const { log, ledger } = this.#deps
    const claims = await claimsOf(log, this.definition.topic, this.definition.options.sources)
    return planRun(log, claims, ledger.offsets(this.definition.name))
  }

  /** A run that was cut off is repeated as it was; what has come since is the next run's. */
  async #catchUp(signal: AbortSignal): Promise<RunResult> {
    const before = this.#interrupted()
    if (!before) return this.#run(await this.positions(), signal)
    const repeated = await this.#run(before, signal)
    if (repeated.outcome === 'failed') return repeated
    const rest = await this.#run(await this.positions(), signal)
    return rest.outcome === 'empty' ? repeated : rest
  }

  async #run(ranges: readonly Range[], signal: AbortSignal): Promise<RunResult> {
    const { ledger, clock, logger } = this.#deps
    const { name, options } = this.definition
    if (!options.run_when_empty && ranges.every(range => range.from === range.to)) return { outcome: 'empty' }
    const id = runId(name, ranges)
    ledger.begin({ id, job: name, ranges, startedMs: Math.floor(clock.wallMs()) })
    logger.info({ job: name, run: id }, 'batch run started')
    try {
      const counts = await this.#feed(id, ranges, signal)
      ledger.complete(name, id, { ...counts, endedMs: Math.floor(clock.wallMs()) })
      await this.#mirror(ranges)
      return { outcome: 'done', run: this.#lastRun() }
    } catch (thrown) {
      const exitCode = thrown instanceof CommandFailure ? thrown.exitCode : null
      const error = messageOf(thrown)
      ledger.fail(name, id, { endedMs: Math.floor(clock.wallMs()), exitCode, error })
      logger.error({ job: name, run: id, exitCode }, `batch run failed: ${error}`)
      return { outcome: 'failed', run: this.#lastRun(), error }
    }
  }

  /** The ranges of a run that was cut off or failed: they are the next to be read, unchanged. */
  #interrupted(): readonly Range[] | undefined {
    const { ledger } = this.#deps
    const [last] = ledger.runs(this.definition.name, 1)
    if (!last || last.state === 'done') return undefined
    const offsets = ledger.offsets(this.definition.name)
    // After a reset the operator's offsets count, not what an older run meant to read.
    return last.ranges.every(range => (offsets.get(range.source) ?? range.from) === range.from) ? last.ranges : undefined
  }

  #lastRun(): Run {
    const [run] = this.#deps.ledger.runs(this.definition.name, 1)
    if (!run) throw new HeadraceError('internal', `the ledger lost the run of ${this.definition.name}`)
    return run
  }

  async #feed(id: string, ranges: readonly Range[], signal: AbortSignal): Promise<{ records: number; placeholders: number }> {
    const { options, folder, name } = this.definition
    const command = new Command({
      run: options.run,
      cwd: options.cwd ?? folder,
      environment: {
        ...options.environment,
        HEADRACE_RUN_ID: id,
        HEADRACE_JOB: name,
        HEADRACE_RANGES: JSON.stringify(ranges),
      },
      timeLimitMs: options.time_limit,
      signal,
    })
    let counts = { records: 0, placeholders: 0 }
    let feedError: unknown
    try {
      counts = await this.#write(command, ranges, signal)
    } catch (error) {
      feedError = error
      // A command may stop reading early and end well; only one that is still there is told to stop.
      if (!(error instanceof HeadraceError && error.code === 'command_failed')) command.abort()
      else command.stdin.destroy()
    }
    const { exitCode, error } = await command.ended
    if (error !== undefined) throw new CommandFailure(`${options.run[0]}: ${error}`, exitCode)
    if (feedError !== undefined) throw feedError
    return counts
  }

  async #write(
    command: Command,
    ranges: readonly Range[],
    signal: AbortSignal,
  ): Promise<{ records: number; placeholders: number }> {
    const writer = new LineWriter(command.stdin)
    const renderers = this.#renderers(ranges)
    const [first] = renderers.values()
    if (first?.head) writer.text(first.head)
    let records = 0
    let placeholders = 0
    for await (const { place, from, to, batches } of readRange(this.#deps.log, ranges, { maxBytes: FETCH_BYTES, signal })) {
      const renderer = renderers.get(place.partition)
      if (!renderer) throw new HeadraceError('internal', `partition ${place.partition} was not asked for`)
      for (const batch of batches) {
        visitRecords(batch, view => {
          if (view.sequence < from || view.sequence >= to) return
          if (view.valueFrom < 0) {
            placeholders += 1
            return
          }
          renderer.record(view, writer)
          records += 1
        })
        await writer.ready()
      }
    }
    await writer.end()
    return { records, placeholders }
  }

  #renderers(ranges: readonly Range[]): Map<number, Renderer> {
    const { options, shapeOf } = this.definition
    const sources = ranges.map(range => ({ range, id: sourceOf(range) }))
    const columns = [...new Set(sources.flatMap(({ id }) => shapeOf(id).columns))]
    return new Map(
      sources.map(({ range, id }) => {
        const shape = shapeOf(id)
        if (options.input === 'csv') return [range.partition, csvRenderer(id, shape, columns)]
        return [range.partition, options.input === 'raw' ? rawRenderer() : ndjsonRenderer(id, shape)]
      }),
    )
  }

  /** Kafka's own tools show the job's lag by its group. The ledger is the authority: a group that lags behind it harms nobody. */
  async #mirror(ranges: readonly Range[]): Promise<void> {
    try {
      await this.#deps.log.commitOffsets(
        this.group,
        ranges.map(range => ({ topic: range.topic, partition: range.partition, from: range.to })),
      )
    } catch (error) {
      this.#deps.logger.warn(
        { job: this.definition.name },
        `the consumer group could not be brought up to date: ${messageOf(error)}`,
      )
    }
  }
}

class CommandFailure extends HeadraceError {
  readonly exitCode: number | null

  constructor(message: string, exitCode: number | null) {
    super('command_failed', message)
    this.exitCode = exitCode
  }
}

function sourceOf(range: Range): SourceId {
  const id = parseSourceKey(range.source)
  if (!id) throw new HeadraceError('internal', `"${range.source}" is not a source`)
  return id
}
