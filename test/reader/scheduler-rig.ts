import { afterEach, beforeEach } from 'vitest'
import type { BatchJob } from '../../src/reader/batch/job.ts'
import type { RunResult } from '../../src/reader/batch/runner.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import type { Clock, Timer } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { type Brokers, JobWorld } from './job-world.ts'

/** A clock that the test sets; what waits for it is called when it is set. */
class HandClock implements Clock {
  nowMs = 0
  monotonic = 0
  readonly #waiting = new Set<() => void>()

  wallMs(): number {
    return this.nowMs
  }

  monotonicMs(): number {
    return this.monotonic
  }

  after(_delayMs: number, call: () => void): Timer {
    this.#waiting.add(call)
    return { cancel: () => this.#waiting.delete(call) }
  }

  set(iso: string): void {
    this.nowMs = Date.parse(iso)
    this.monotonic += 60_000
    const calls = [...this.#waiting]
    this.#waiting.clear()
    for (const call of calls) call()
  }
}

export const NIGHTLY = { schedule: '0 2 * * *', run: ['sh', '-c', 'cat >> in; echo "$HEADRACE_RUN_TIME" >> times'] }

/** A core with one job, made anew for each test of the suite that asks for it; over the embedded log, or over Kafka. What it does can be taken out of it. */
export class SchedulerRig {
  world!: JobWorld
  clock!: HandClock
  scheduler!: BatchScheduler
  job!: BatchJob
  results: RunResult[] = []

  constructor(brokers?: Brokers) {
    beforeEach(async () => {
      this.world = await new JobWorld(brokers).open()
      this.clock = new HandClock()
      this.results = []
    })
    afterEach(async () => {
      await this.scheduler.stop()
      await this.world.close()
    })
  }

  /** A core that starts at a time, with one job. */
  readonly start = async (
    iso: string,
    options: Readonly<Record<string, unknown>> = {},
    declared: readonly string[] = [],
  ): Promise<void> => {
    const { world, clock } = this
    clock.nowMs = Date.parse(iso)
    this.job = world.job({ ...NIGHTLY, run_when_empty: true, ...options }, { clock, declared })
    this.scheduler = new BatchScheduler({
      ...{ jobs: [this.job], log: world.log, ledger: world.ledger, clock, logger: silentLogger },
      onRun: (_job, result) => this.results.push(result),
    })
    this.scheduler.start()
    await this.idle()
  }

  readonly restart = async (iso: string, options: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    await this.scheduler.stop()
    await this.start(iso, options)
  }

  readonly at = async (...times: string[]): Promise<void> => {
    for (const time of times) {
      this.clock.set(time)
      await this.idle()
    }
  }

  /** Nothing runs, and nothing that is ready is left. */
  readonly idle = async (): Promise<void> => {
    const { job, world } = this
    for (let quiet = 0; quiet < 5; quiet = job.running || world.asksLog ? 0 : quiet + 1) await new Promise(setImmediate)
  }

  /** The moments for which runs were begun. */
  readonly times = (): string[] => {
    return this.world.ledger
      .runs('plant.load', 100)
      .map(run => new Date(run.atMs).toISOString().slice(0, 16))
      .reverse()
  }
}
