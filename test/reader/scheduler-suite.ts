import { existsSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BatchJob } from '../../src/reader/batch/job.ts'
import { runId } from '../../src/reader/batch/plan.ts'
import type { RunResult } from '../../src/reader/batch/runner.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import type { Clock, Timer } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'
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

/** When jobs run, over the embedded log, or over Kafka. */
export function describeScheduler(brokers?: Brokers): void {
  let world: JobWorld
  let clock: HandClock
  let scheduler: BatchScheduler
  let job: BatchJob
  let results: RunResult[]
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
    clock = new HandClock()
    results = []
  })
  afterEach(async () => {
    await scheduler.stop()
    await world.close()
  })

  const NIGHTLY = { schedule: '0 2 * * *', run: ['sh', '-c', 'cat >> in; echo "$HEADRACE_RUN_TIME" >> times'] }

  /** A core that starts at a time, with one job. */
  async function start(
    iso: string,
    options: Readonly<Record<string, unknown>> = {},
    declared: readonly string[] = [],
  ): Promise<void> {
    clock.nowMs = Date.parse(iso)
    job = world.job({ ...NIGHTLY, run_when_empty: true, ...options }, { clock, declared })
    scheduler = new BatchScheduler({
      ...{ jobs: [job], log: world.log, ledger: world.ledger, clock, logger: silentLogger },
      onRun: (_job, result) => results.push(result),
    })
    scheduler.start()
    await idle()
  }

  async function restart(iso: string, options: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await scheduler.stop()
    await start(iso, options)
  }

  async function at(...times: string[]): Promise<void> {
    for (const time of times) {
      clock.set(time)
      await idle()
    }
  }

  /** Nothing runs, and nothing that is ready is left. */
  async function idle(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet = job.running || world.asksLog ? 0 : quiet + 1) await new Promise(setImmediate)
  }

  /** The moments for which runs were begun. */
  const times = () =>
    world.ledger
      .runs('plant.load', 100)
      .map(run => new Date(run.atMs).toISOString().slice(0, 16))
      .reverse()

  describe('nights that were missed while the core was down', () => {
    beforeEach(async () => {
      await start('2026-01-01T12:00:00Z')
      await world.lay('a', ['one'], Date.parse('2026-01-01T20:00:00Z'))
      await world.lay('a', ['two'], Date.parse('2026-01-02T20:00:00Z'))
      await world.lay('a', ['three'], Date.parse('2026-01-03T20:00:00Z'))
      await world.lay('a', ['four'], Date.parse('2026-01-04T10:00:00Z'))
    })

    test('are made up for in one run', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'once' })
      await at('2026-01-04T12:00:01Z', '2026-01-04T12:00:02Z')
      expect(times()).toEqual(['2026-01-04T02:00'])
      expect(world.read('in')).toBe('one\ntwo\nthree\nfour\n')
    })

    test('or one by one, each up to when it was due', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'each' })
      await at('2026-01-04T12:00:01Z', '2026-01-04T12:00:02Z', '2026-01-04T12:00:03Z', '2026-01-04T12:00:04Z')
      expect(times()).toEqual(['2026-01-02T02:00', '2026-01-03T02:00', '2026-01-04T02:00'])
      expect(world.ledger.runs('plant.load', 3).map(({ records }) => records)).toEqual([1, 1, 1])
      expect(world.offsets()).toEqual({ 'g/a': 3 })
    })

    test('one by one also when the core is killed between two of them', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'each' })
      expect(times()).toEqual(['2026-01-02T02:00'])
      await restart('2026-01-04T12:00:05Z', { catch_up: 'each' })
      await at('2026-01-04T12:00:06Z', '2026-01-04T12:00:07Z')
      expect(times()).toEqual(['2026-01-02T02:00', '2026-01-03T02:00', '2026-01-04T02:00'])
    })

    test('or left to the next', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'no' })
      await at('2026-01-04T12:00:01Z')
      expect(times()).toEqual([])
      await at('2026-01-05T01:59:59Z', '2026-01-05T02:00:00Z')
      expect(times()).toEqual(['2026-01-05T02:00'])
    })
  })

  describe('no run is skipped, none comes twice', () => {
    test('by daylight saving', async () => {
      await start('2026-03-28T12:00:00Z', { schedule: '30 2 * * *', timezone: 'Europe/Berlin' })
      await at('2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-03-29T01:30:00Z', '2026-03-30T00:30:00Z')
      await at('2026-10-25T00:29:59Z', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z', '2026-10-26T01:30:00Z')
      expect(times()).toEqual([
        ...['2026-03-29T01:00', '2026-03-30T00:30'],
        // Of the months between, in which the core was asleep, the last.
        ...['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
      ])
    })

    test('by a clock that is set back by a minute just after', async () => {
      await start('2026-01-01T12:00:00Z')
      await at(
        '2026-01-02T02:00:00Z',
        '2026-01-02T01:59:00Z',
        '2026-01-02T02:00:00Z',
        '2026-01-02T02:00:30Z',
        '2026-01-03T02:00:00Z',
      )
      expect(times()).toEqual(['2026-01-02T02:00', '2026-01-03T02:00'])
    })

    test('by a clock that was years ahead', async () => {
      await start('2026-01-01T12:00:00Z')
      await at('2031-06-01T00:00:00Z', '2026-01-02T01:00:00Z', '2026-01-02T02:00:00Z', '2026-01-03T02:00:00Z')
      expect(times()).toEqual(['2031-05-31T02:00', '2026-01-02T02:00', '2026-01-03T02:00'])
    })

    test('by a restart in the same minute', async () => {
      await start('2026-01-01T12:00:00Z')
      await at('2026-01-02T02:00:00Z')
      await restart('2026-01-02T02:00:20Z')
      await at('2026-01-02T02:00:21Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('by a log that is away when it is due; nobody is called for it', async () => {
      await start('2026-01-01T12:00:00Z', { on_failure: ['sh', '-c', 'touch told'] })
      const { claims } = world.log
      world.log.claims = async () => {
        throw new HeadraceError('log_unavailable', 'no broker answers')
      }
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:01:00Z')
      expect(times()).toEqual([])
      world.log.claims = claims
      await at('2026-01-02T02:02:00Z', '2026-01-02T02:03:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(existsSync(world.path('told'))).toBe(false)
    })

    test('by a run that takes longer than the time between two: the next waits for it', async () => {
      await start('2026-01-01T12:00:00Z', {
        schedule: '* * * * *',
        run: ['sh', '-c', 'cat > in; while [ ! -e go ]; do sleep 0.02; done'],
      })
      clock.set('2026-01-01T12:01:00Z')
      while (!job.running) await new Promise(setImmediate)
      for (const time of ['2026-01-01T12:02:00Z', '2026-01-01T12:03:00Z']) clock.set(time)
      expect(job.running).toBe(true)
      writeFileSync(world.path('go'), '')
      await idle()
      await at('2026-01-01T12:03:01Z', '2026-01-01T12:03:02Z')
      expect(times()).toEqual(['2026-01-01T12:01', '2026-01-01T12:03'])
    })
  })

  describe('a run that was stopped with the core', () => {
    async function stoppedInItsRun(): Promise<void> {
      await world.lay('a', ['one'])
      await start('2026-01-01T12:00:00Z', { run: ['sh', '-c', 'cat > in; sleep 1000'] })
      clock.set('2026-01-02T02:00:00Z')
      while (!job.running) await new Promise(setImmediate)
      await scheduler.stop()
    }

    test('goes on when the core is there again, over the same ranges, and is not due once more', async () => {
      await stoppedInItsRun()
      const [stopped] = world.ledger.runs('plant.load', 1)
      expect(stopped).toMatchObject({ state: 'failed', interrupted: true })
      await world.lay('a', ['two'])
      await start('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:10:01Z')
      expect(results.at(-1)).toMatchObject({ outcome: 'done', run: { id: stopped?.id, records: 1 } })
      expect(times()).toEqual(['2026-01-02T02:00'])
      await at('2026-01-03T02:00:00Z')
      expect(world.offsets()).toEqual({ 'g/a': 2 })
    })

    test('goes on when the log is there again, where it was away at the start: it was left to the next night', async () => {
      await stoppedInItsRun()
      const { claims } = world.log
      world.log.claims = async () => {
        throw new HeadraceError('log_unavailable', 'no broker answers')
      }
      await start('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:11:00Z')
      expect(results.at(-1)).toMatchObject({ outcome: 'failed' })
      world.log.claims = claims
      await at('2026-01-02T02:12:00Z', '2026-01-02T02:13:00Z')
      expect(results.slice(1)).toMatchObject([{ outcome: 'done', run: { records: 1 } }])
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('does not begin again by itself where the job has no schedule, does not stand there as if it ran, and is the next run', async () => {
      const byHand = { run: ['sh', '-c', 'cat > in'] }
      clock.nowMs = Date.parse('2026-01-01T12:00:00Z')
      await world.lay('a', ['one'])
      const ranges = [{ source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 1 }]
      const id = runId('plant.load', ranges)
      world.ledger.begin({ job: 'plant.load', id, kind: 'run', ranges, startedMs: 1 })
      job = world.job(byHand, { clock })
      scheduler = new BatchScheduler({ ...{ jobs: [job], log: world.log, ledger: world.ledger, clock, logger: silentLogger } })
      scheduler.start()
      await idle()
      expect(world.ledger.runs('plant.load', 9)).toMatchObject([{ id, state: 'failed', interrupted: true }])
      expect(await scheduler.run(job)).toMatchObject({ outcome: 'done', run: { id, records: 1 } })
    })

    test('does not wait for the command that tells of a failure: it did for a minute, and was killed, and left it behind', async () => {
      const said: string[] = []
      const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => void said.push(message) }
      await world.lay('a', ['one'])
      const telling = { run: ['false'], on_failure: ['sh', '-c', 'touch telling; sleep 1000'] }
      job = world.job({ ...NIGHTLY, ...telling }, { clock, deps: { logger } })
      scheduler = new BatchScheduler({ jobs: [job], log: world.log, ledger: world.ledger, clock, logger: silentLogger })
      const ran = scheduler.run(job)
      await until('it tells', () => existsSync(world.path('telling')))
      await scheduler.stop()
      expect(await ran).toMatchObject({ outcome: 'failed' })
      expect(said).toEqual(['the on_failure command sh: it was interrupted: Headrace is stopping'])
    })

    test('a backfill is not begun again, and does not stand there as if it ran', async () => {
      await world.lay('a', ['one'])
      const ranges = [{ source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 1 }]
      world.ledger.begin({ job: 'plant.load', id: 'b', kind: 'backfill', ranges, startedMs: 1 })
      await start('2026-01-01T12:00:00Z')
      expect(world.ledger.runs('plant.load', 9)).toMatchObject([{ kind: 'backfill', state: 'failed', interrupted: true }])
      expect(results).toEqual([])
    })

    test('one whose command failed waits for the next night', async () => {
      await world.lay('a', ['one'])
      await start('2026-01-01T12:00:00Z', { run: ['false'] })
      await at('2026-01-02T02:00:00Z')
      await restart('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:10:01Z')
      expect(world.offsets()).toEqual({})
      await at('2026-01-03T02:00:00Z')
      expect(world.offsets()).toEqual({ 'g/a': 1 })
    })
  })

  describe('a ledger that takes nothing, its disk being full', () => {
    const refuse = () => {
      throw new Error('database or disk is full')
    }

    test('does not end the process at a look', async () => {
      await start('2026-01-01T12:00:00Z')
      const { setDecidedUntil } = world.ledger
      world.ledger.setDecidedUntil = refuse
      await at('2026-01-01T14:00:00Z')
      world.ledger.setDecidedUntil = setDecidedUntil
      await at('2026-01-02T02:00:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('does not end the process when a job is due, which is told of once and is due again the next night', async () => {
      await start('2026-01-01T12:00:00Z', { on_failure: ['sh', '-c', 'echo told >> told'] })
      const { begin, setDue } = world.ledger
      Object.assign(world.ledger, { begin: refuse, setDue: refuse })
      const uncaught: unknown[] = []
      const note = (error: unknown) => void uncaught.push(error)
      process.on('unhandledRejection', note)
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:01:00Z', '2026-01-02T02:02:00Z')
      process.off('unhandledRejection', note)
      expect(uncaught).toEqual([])
      expect(world.read('told')).toBe('told\n')
      Object.assign(world.ledger, { begin, setDue })
      await at('2026-01-03T02:00:00Z')
      expect(times()).toEqual(['2026-01-03T02:00'])
    })
  })

  describe('wait_for', () => {
    const WAITS = { wait_for: { within: '10m', at_most: '1h' } }
    const told = () => world.ledger.runs('plant.load', 9).map(({ missing }) => missing)

    test('begins when every source has data up to then', async () => {
      await world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await world.lay('b', ['in time'], Date.parse('2026-01-02T01:55:00Z'))
      await start('2026-01-01T12:00:00Z', WAITS)
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:10:00Z')
      expect(times()).toEqual([])
      expect((await scheduler.status())[0]?.waiting_for).toEqual(['g/a'])
      await world.lay('a', ['late'], Date.parse('2026-01-02T01:51:00Z'))
      await at('2026-01-02T02:20:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(told()).toEqual([[]])
    })

    test('waits so long, then runs and says which source is missing; one that has never brought anything too', async () => {
      await world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', { ...WAITS, run: ['sh', '-c', 'cat > in; echo "$HEADRACE_MISSING" > missing'] }, [
        'a',
        'never',
      ])
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:59:59Z')
      expect(times()).toEqual([])
      await at('2026-01-02T03:00:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(told()).toEqual([['g/a', 'never']])
      expect(world.read('missing')).toBe('g/a never\n')
    })

    test('waits on after a restart', async () => {
      await world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', WAITS)
      await at('2026-01-02T02:00:00Z')
      await restart('2026-01-02T02:05:00Z', WAITS)
      expect(times()).toEqual([])
      await at('2026-01-02T03:00:01Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })
  })

  describe('wait_for of a job', () => {
    const WAITS = { wait_for: { within: '10m', at_most: '2h' } }

    test('that leaves missed runs to the next waits no shorter: a run that waits is not missed', async () => {
      await world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', { ...WAITS, catch_up: 'no' })
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:10:00Z', '2026-01-02T02:20:00Z')
      await world.lay('a', ['late'], Date.parse('2026-01-02T01:51:00Z'))
      await at('2026-01-02T02:30:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('that is due again before it has waited for the most begins all the same', async () => {
      await world.lay('a', ['early'], Date.parse('2026-01-01T11:00:00Z'))
      await start('2026-01-01T12:30:00Z', { ...WAITS, schedule: '0 * * * *' })
      const every10Minutes = Array.from({ length: 27 }, (_, index) =>
        new Date(Date.parse('2026-01-01T13:00:00Z') + index * 600_000).toISOString(),
      )
      await at(...every10Minutes)
      // The run of 13:00 until 15:00, then that of 15:00 until 17:00; what was due meanwhile is the latest of it, as ever.
      expect(times()).toEqual(['2026-01-01T13:00', '2026-01-01T15:00'])
      expect(world.ledger.runs('plant.load', 9).map(({ missing }) => missing)).toEqual([['g/a'], ['g/a']])
    })
  })

  describe('jobs that change while the core runs', () => {
    test('one that changes while it is looked whether its sources are there does not begin as it was', async () => {
      const waits = { wait_for: { within: '10m', at_most: '1h' } }
      await world.lay('a', ['one'], Date.parse('2026-01-02T01:55:00Z'))
      await start('2026-01-01T12:00:00Z', { ...waits, run: ['sh', '-c', 'cat >> before'] })
      const { claims } = world.log
      const answer = Promise.withResolvers<void>()
      world.log.claims = async () => {
        await answer.promise
        return claims.call(world.log)
      }
      clock.set('2026-01-02T02:00:00Z')
      const changed = world.job({ ...NIGHTLY, ...waits, run: ['sh', '-c', 'cat >> after'] }, { clock })
      changed.succeed(job)
      scheduler.change([changed])
      answer.resolve()
      await idle()
      await at('2026-01-02T02:01:00Z', '2026-01-02T02:02:00Z')
      await until('it has run', () => world.offsets()['g/a'] === 1)
      expect([existsSync(world.path('before')), world.read('after')]).toEqual([false, 'one\n'])
    })

    const hold = ['sh', '-c', 'while [ ! -e go ]; do sleep 0.02; done; cat >> before']

    test('a run ends as it began, the job in its place begins only then, and goes on where it stood', async () => {
      await start('2026-01-01T12:00:00Z', { run: hold })
      await world.lay('a', ['one'])
      const running = scheduler.run(job)
      const changed = world.job({ ...NIGHTLY, run: ['sh', '-c', 'cat >> after'] }, { clock })
      changed.succeed(job)
      scheduler.change([changed])
      expect(changed.running).toBe(true)
      await expect(scheduler.run(changed)).rejects.toMatchObject({ code: 'command_failed' })
      writeFileSync(world.path('go'), '')
      expect(await running).toMatchObject({ outcome: 'done' })
      await until('its place is free', () => !changed.running)
      await world.lay('a', ['two'])
      await scheduler.run(changed)
      expect([world.read('before'), world.read('after')]).toEqual(['one\n', 'two\n'])
    })

    test('one that is gone is due no more, one that is new is, and one that stayed missed nothing', async () => {
      await start('2026-01-01T12:00:00Z')
      await world.lay('a', ['one'])
      scheduler.change([])
      await at('2026-01-02T02:00:10Z')
      expect(times()).toEqual([])
      scheduler.change([job])
      await at('2026-01-03T02:00:10Z')
      expect(times()).toEqual(['2026-01-03T02:00'])
      expect((await scheduler.status()).map(each => each.job)).toEqual(['plant.load'])
    })
  })
}
