import { existsSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { runId } from '../../src/reader/batch/plan.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'
import type { Brokers } from './job-world.ts'
import { NIGHTLY, SchedulerRig } from './scheduler-rig.ts'

/** When jobs run, over the embedded log, or over Kafka. */
export function describeScheduler(brokers?: Brokers): void {
  const rig = new SchedulerRig(brokers)
  const { start, restart, at, times, idle } = rig

  describe('nights that were missed while the core was down', () => {
    beforeEach(async () => {
      await start('2026-01-01T12:00:00Z')
      await rig.world.lay('a', ['one'], Date.parse('2026-01-01T20:00:00Z'))
      await rig.world.lay('a', ['two'], Date.parse('2026-01-02T20:00:00Z'))
      await rig.world.lay('a', ['three'], Date.parse('2026-01-03T20:00:00Z'))
      await rig.world.lay('a', ['four'], Date.parse('2026-01-04T10:00:00Z'))
    })

    test('are made up for in one run', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'once' })
      await at('2026-01-04T12:00:01Z', '2026-01-04T12:00:02Z')
      expect(times()).toEqual(['2026-01-04T02:00'])
      expect(rig.world.read('in')).toBe('one\ntwo\nthree\nfour\n')
    })

    test('or one by one, each up to when it was due', async () => {
      await restart('2026-01-04T12:00:00Z', { catch_up: 'each' })
      await at('2026-01-04T12:00:01Z', '2026-01-04T12:00:02Z', '2026-01-04T12:00:03Z', '2026-01-04T12:00:04Z')
      expect(times()).toEqual(['2026-01-02T02:00', '2026-01-03T02:00', '2026-01-04T02:00'])
      expect(rig.world.ledger.runs('plant.load', 3).map(({ records }) => records)).toEqual([1, 1, 1])
      expect(rig.world.offsets()).toEqual({ 'g/a': 3 })
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
      const { claims } = rig.world.log
      rig.world.log.claims = async () => {
        throw new HeadraceError('log_unavailable', 'no broker answers')
      }
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:01:00Z')
      expect(times()).toEqual([])
      rig.world.log.claims = claims
      await at('2026-01-02T02:02:00Z', '2026-01-02T02:03:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(existsSync(rig.world.path('told'))).toBe(false)
    })

    test('by a run that takes longer than the time between two: the next waits for it', async () => {
      await start('2026-01-01T12:00:00Z', {
        schedule: '* * * * *',
        run: ['sh', '-c', 'cat > in; while [ ! -e go ]; do sleep 0.02; done'],
      })
      rig.clock.set('2026-01-01T12:01:00Z')
      while (!rig.job.running) await new Promise(setImmediate)
      for (const time of ['2026-01-01T12:02:00Z', '2026-01-01T12:03:00Z']) rig.clock.set(time)
      expect(rig.job.running).toBe(true)
      writeFileSync(rig.world.path('go'), '')
      await idle()
      await at('2026-01-01T12:03:01Z', '2026-01-01T12:03:02Z')
      expect(times()).toEqual(['2026-01-01T12:01', '2026-01-01T12:03'])
    })
  })

  describe('a run that was stopped with the core', () => {
    async function stoppedInItsRun(): Promise<void> {
      await rig.world.lay('a', ['one'])
      await start('2026-01-01T12:00:00Z', { run: ['sh', '-c', 'cat > in; sleep 1000'] })
      rig.clock.set('2026-01-02T02:00:00Z')
      while (!rig.job.running) await new Promise(setImmediate)
      await rig.scheduler.stop()
    }

    test('goes on when the core is there again, over the same ranges, and is not due once more', async () => {
      await stoppedInItsRun()
      const [stopped] = rig.world.ledger.runs('plant.load', 1)
      expect(stopped).toMatchObject({ state: 'failed', interrupted: true })
      await rig.world.lay('a', ['two'])
      await start('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:10:01Z')
      expect(rig.results.at(-1)).toMatchObject({ outcome: 'done', run: { id: stopped?.id, records: 1 } })
      expect(times()).toEqual(['2026-01-02T02:00'])
      await at('2026-01-03T02:00:00Z')
      expect(rig.world.offsets()).toEqual({ 'g/a': 2 })
    })

    test('goes on when the log is there again, where it was away at the start: it was left to the next night', async () => {
      await stoppedInItsRun()
      const { claims } = rig.world.log
      rig.world.log.claims = async () => {
        throw new HeadraceError('log_unavailable', 'no broker answers')
      }
      await start('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:11:00Z')
      expect(rig.results.at(-1)).toMatchObject({ outcome: 'failed' })
      rig.world.log.claims = claims
      await at('2026-01-02T02:12:00Z', '2026-01-02T02:13:00Z')
      expect(rig.results.slice(1)).toMatchObject([{ outcome: 'done', run: { records: 1 } }])
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('does not begin again by itself where the job has no schedule, does not stand there as if it ran, and is the next run', async () => {
      const byHand = { run: ['sh', '-c', 'cat > in'] }
      rig.clock.nowMs = Date.parse('2026-01-01T12:00:00Z')
      await rig.world.lay('a', ['one'])
      const ranges = [{ source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 1 }]
      const id = runId('plant.load', ranges)
      rig.world.ledger.begin({ job: 'plant.load', id, kind: 'run', ranges, startedMs: 1 })
      rig.job = rig.world.job(byHand, { clock: rig.clock })
      rig.scheduler = new BatchScheduler({
        ...{ jobs: [rig.job], log: rig.world.log, ledger: rig.world.ledger, clock: rig.clock, logger: silentLogger },
      })
      rig.scheduler.start()
      await idle()
      expect(rig.world.ledger.runs('plant.load', 9)).toMatchObject([{ id, state: 'failed', interrupted: true }])
      expect(await rig.scheduler.run(rig.job)).toMatchObject({ outcome: 'done', run: { id, records: 1 } })
    })

    test('does not wait for the command that tells of a failure: it did for a minute, and was killed, and left it behind', async () => {
      const said: string[] = []
      const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => void said.push(message) }
      await rig.world.lay('a', ['one'])
      const telling = { run: ['false'], on_failure: ['sh', '-c', 'touch telling; sleep 1000'] }
      rig.job = rig.world.job({ ...NIGHTLY, ...telling }, { clock: rig.clock, deps: { logger } })
      rig.scheduler = new BatchScheduler({
        jobs: [rig.job],
        log: rig.world.log,
        ledger: rig.world.ledger,
        clock: rig.clock,
        logger: silentLogger,
      })
      const ran = rig.scheduler.run(rig.job)
      await until('it tells', () => existsSync(rig.world.path('telling')))
      await rig.scheduler.stop()
      expect(await ran).toMatchObject({ outcome: 'failed' })
      expect(said).toEqual(['the on_failure command sh: it was interrupted: Headrace is stopping'])
    })

    test('a backfill is not begun again, and does not stand there as if it ran', async () => {
      await rig.world.lay('a', ['one'])
      const ranges = [{ source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 1 }]
      rig.world.ledger.begin({ job: 'plant.load', id: 'b', kind: 'backfill', ranges, startedMs: 1 })
      await start('2026-01-01T12:00:00Z')
      expect(rig.world.ledger.runs('plant.load', 9)).toMatchObject([{ kind: 'backfill', state: 'failed', interrupted: true }])
      expect(rig.results).toEqual([])
    })

    test('one whose command failed waits for the next night', async () => {
      await rig.world.lay('a', ['one'])
      await start('2026-01-01T12:00:00Z', { run: ['false'] })
      await at('2026-01-02T02:00:00Z')
      await restart('2026-01-02T02:10:00Z')
      await at('2026-01-02T02:10:01Z')
      expect(rig.world.offsets()).toEqual({})
      await at('2026-01-03T02:00:00Z')
      expect(rig.world.offsets()).toEqual({ 'g/a': 1 })
    })
  })

  describe('a ledger that takes nothing, its disk being full', () => {
    const refuse = () => {
      throw new Error('database or disk is full')
    }

    test('does not end the process at a look', async () => {
      await start('2026-01-01T12:00:00Z')
      const { setDecidedUntil } = rig.world.ledger
      rig.world.ledger.setDecidedUntil = refuse
      await at('2026-01-01T14:00:00Z')
      rig.world.ledger.setDecidedUntil = setDecidedUntil
      await at('2026-01-02T02:00:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('does not end the process when a job is due, which is told of once and is due again the next night', async () => {
      await start('2026-01-01T12:00:00Z', { on_failure: ['sh', '-c', 'echo told >> told'] })
      const { begin, setDue } = rig.world.ledger
      Object.assign(rig.world.ledger, { begin: refuse, setDue: refuse })
      const uncaught: unknown[] = []
      const note = (error: unknown) => void uncaught.push(error)
      process.on('unhandledRejection', note)
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:01:00Z', '2026-01-02T02:02:00Z')
      process.off('unhandledRejection', note)
      expect(uncaught).toEqual([])
      expect(rig.world.read('told')).toBe('told\n')
      Object.assign(rig.world.ledger, { begin, setDue })
      await at('2026-01-03T02:00:00Z')
      expect(times()).toEqual(['2026-01-03T02:00'])
    })
  })

  describe('jobs that change while the core runs', () => {
    test('one that changes while it is looked whether its sources are there does not begin as it was', async () => {
      const waits = { wait_for: { within: '10m', at_most: '1h' } }
      await rig.world.lay('a', ['one'], Date.parse('2026-01-02T01:55:00Z'))
      await start('2026-01-01T12:00:00Z', { ...waits, run: ['sh', '-c', 'cat >> before'] })
      const { claims } = rig.world.log
      const answer = Promise.withResolvers<void>()
      rig.world.log.claims = async () => {
        await answer.promise
        return claims.call(rig.world.log)
      }
      rig.clock.set('2026-01-02T02:00:00Z')
      const changed = rig.world.job({ ...NIGHTLY, ...waits, run: ['sh', '-c', 'cat >> after'] }, { clock: rig.clock })
      changed.succeed(rig.job)
      rig.scheduler.change([changed])
      answer.resolve()
      await idle()
      await at('2026-01-02T02:01:00Z', '2026-01-02T02:02:00Z')
      await until('it has run', () => rig.world.offsets()['g/a'] === 1)
      expect([existsSync(rig.world.path('before')), rig.world.read('after')]).toEqual([false, 'one\n'])
    })

    const hold = ['sh', '-c', 'while [ ! -e go ]; do sleep 0.02; done; cat >> before']

    test('a run ends as it began, the job in its place begins only then, and goes on where it stood', async () => {
      await start('2026-01-01T12:00:00Z', { run: hold })
      await rig.world.lay('a', ['one'])
      const running = rig.scheduler.run(rig.job)
      const changed = rig.world.job({ ...NIGHTLY, run: ['sh', '-c', 'cat >> after'] }, { clock: rig.clock })
      changed.succeed(rig.job)
      rig.scheduler.change([changed])
      expect(changed.running).toBe(true)
      await expect(rig.scheduler.run(changed)).rejects.toMatchObject({ code: 'command_failed' })
      writeFileSync(rig.world.path('go'), '')
      expect(await running).toMatchObject({ outcome: 'done' })
      await until('its place is free', () => !changed.running)
      await rig.world.lay('a', ['two'])
      await rig.scheduler.run(changed)
      expect([rig.world.read('before'), rig.world.read('after')]).toEqual(['one\n', 'two\n'])
    })

    test('one that is gone is due no more, one that is new is, and one that stayed missed nothing', async () => {
      await start('2026-01-01T12:00:00Z')
      await rig.world.lay('a', ['one'])
      rig.scheduler.change([])
      await at('2026-01-02T02:00:10Z')
      expect(times()).toEqual([])
      rig.scheduler.change([rig.job])
      await at('2026-01-03T02:00:10Z')
      expect(times()).toEqual(['2026-01-03T02:00'])
      expect((await rig.scheduler.status()).map(each => each.job)).toEqual(['plant.load'])
    })
  })
}
