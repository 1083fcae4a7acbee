import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { BatchJob, type JobDeps } from '../../src/reader/batch/job.ts'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import type { RunResult } from '../../src/reader/batch/runner.ts'
import { Ledger, type Run } from '../../src/reader/ledger.ts'
import type { ValueShape } from '../../src/reader/render/renderer.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import type { SourceId } from '../../src/runtime/names.ts'
import { CountedLog, type JobLog, openJobLog } from './job-log.ts'

export const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5)
const TEXT: ValueShape = { json: false, columns: [] }

/** Brokers on which a suite is to run; without them it has the embedded log. */
export type Brokers = () => readonly string[]

/** A folder with a log, a ledger, and whatever jobs a test makes on them. */
export class JobWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-job-'))
  readonly alarms = new Alarms(systemClock)
  readonly logIs: JobLog
  readonly #writer = new BatchWriter()
  #counted!: CountedLog
  log!: Log
  ledger!: Ledger

  constructor(brokers?: Brokers) {
    this.logIs = brokers ? { brokers: brokers(), space: randomBytes(6).toString('hex') } : { sqlite: join(this.folder, 'log.db') }
  }

  async open(): Promise<this> {
    this.#counted = new CountedLog(await openJobLog(this.logIs))
    this.log = this.#counted.log
    this.ledger = new Ledger(join(this.folder, 'readers.db'))
    return this
  }

  async close(): Promise<void> {
    this.ledger.close()
    await this.log.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Whether somebody waits for the log. */
  get asksLog(): boolean {
    return this.#counted.underWay > 0
  }

  job(
    options: Readonly<Record<string, unknown>> = {},
    other: {
      shapes?: Readonly<Record<string, ValueShape>>
      deps?: Partial<JobDeps>
      declared?: readonly string[]
      name?: string
      clock?: Clock
    } = {},
  ): BatchJob {
    const { shapes = {}, deps = {}, declared = [], clock = systemClock, name = 'plant.load' } = other
    return new BatchJob(
      {
        name,
        topic: 'plant',
        options: batchJobOptions.parse({ run: ['sh', '-c', 'cat > in'], input: 'raw', ...options }),
        folder: this.folder,
        declared,
        shapeOf: ({ source }) => shapes[source] ?? TEXT,
      },
      {
        ...{ log: this.log, ledger: this.ledger, clock, random: () => 0, logger: silentLogger },
        ...{ alarms: this.alarms, core: 'core', runsDir: join(this.folder, 'runs') },
        ...deps,
      },
    )
  }

  path(...names: string[]): string {
    return join(this.folder, ...names)
  }

  read(...names: string[]): string {
    return readFileSync(this.path(...names), 'utf8')
  }

  offsets(): Record<string, number> {
    return Object.fromEntries(this.ledger.offsets('plant.load'))
  }

  /** Appends one batch of values; times are `timeMs` and a millisecond more each. */
  async lay(source: string | SourceId, values: readonly string[], timeMs = TIME_MS, topic = 'plant'): Promise<void> {
    const id = typeof source === 'string' ? { gateway: 'g', source } : source
    const claim = await this.log.claim(id, topic)
    const { next, proof } = await this.log.end(claim)
    const { producerId, epoch, epochStart } = claim
    this.#writer.begin({ key: `${id.gateway}/${id.source}`, producerId, epoch, epochStart, sequence: next })
    for (const [index, value] of values.entries()) {
      const bytes = Buffer.from(value)
      this.#writer.append(timeMs + index, bytes, 0, bytes.length)
    }
    expect(await this.log.append(claim, this.#writer.finish('zstd'), proof)).toMatchObject({ outcome: 'appended' })
  }
}

export const runNow = (job: BatchJob): Promise<RunResult> => job.run(new AbortController().signal)

/** The run of a result that has one. */
export function runOf(result: RunResult): Run {
  if (result.outcome === 'empty') throw new Error('nothing was run')
  return result.run
}
