import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { BatchJob } from '../../src/reader/batch/job.ts'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import type { RunResult } from '../../src/reader/batch/runner.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

export const TIME_MS = 1_767_225_600_000

export function openLogAt(brokers: string[]): Promise<Log> {
  return openKafkaLog({ brokers, client_id: 'others' }, { clock: systemClock, log: silentLogger })
}

/** A topic on a real broker, what is laid into it, and jobs that read it. */
export class KafkaWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-others-'))
  readonly ledger = new Ledger(join(this.folder, 'readers.db'))
  readonly topic: string
  readonly log: Log

  constructor(log: Log, topic: string) {
    this.log = log
    this.topic = topic
    mkdirSync(join(this.folder, 'out'))
  }

  path(...names: string[]): string {
    return join(this.folder, ...names)
  }

  read(...names: string[]): string {
    return readFileSync(this.path(...names), 'utf8')
  }

  /** Appends a batch of values such as `a 0`, `a 1`, …, which go on where the last ones ended. */
  async lay(source: string, count: number): Promise<void> {
    const claim = await this.log.claim({ gateway: this.topic, source }, this.topic)
    const { next, proof } = await this.log.end(claim)
    const writer = new BatchWriter()
    const { producerId, epoch, epochStart } = claim
    writer.begin({ key: `${this.topic}/${source}`, producerId, epoch, epochStart, sequence: next })
    for (let index = next; index < next + count; index++) {
      const value = Buffer.from(`${source} ${index}`)
      writer.append(TIME_MS + index, value, 0, value.length)
    }
    expect(await this.log.append(claim, writer.finish('zstd'), proof)).toMatchObject({ outcome: 'appended' })
  }

  job(log: Log = this.log, ledger: Ledger = this.ledger): BatchJob {
    return new BatchJob(
      {
        name: `${this.topic}.load`,
        topic: this.topic,
        options: batchJobOptions.parse({ input: 'raw', run: ['sh', '-c', 'cat > in'] }),
        folder: this.folder,
        declared: [],
        shapeOf: () => ({ json: false, columns: [] }),
      },
      {
        ...{ log, ledger, clock: systemClock, random: Math.random, logger: silentLogger },
        ...{ alarms: new Alarms(systemClock), core: 'core', runsDir: this.path('runs') },
      },
    )
  }

  /** Runs a job, and gives the lines that its command read, sorted by source and in the order of each. */
  async run(job: BatchJob = this.job()): Promise<{ result: RunResult; lines: string[] }> {
    const result = await job.run(new AbortController().signal)
    return { result, lines: bySource(this.read('in').trim().split('\n')) }
  }

  end(): void {
    this.ledger.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Lines in the order of their sources; the order of each source is left as it is. */
export function bySource(lines: readonly string[]): string[] {
  return [...Map.groupBy(lines, line => line.split(' ')[0] ?? '')]
    .sort(([a], [b]) => a.localeCompare(b))
    .flatMap(([, own]) => own)
}

export function valuesOf(source: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${source} ${from + index}`)
}
