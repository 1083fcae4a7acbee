import { afterEach, beforeEach, expect, test } from 'vitest'
import { Retention } from '../../src/reader/batch/retention.ts'
import { retentionOptions } from '../../src/reader/batch/retention-options.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { type Brokers, JobWorld, runNow } from './job-world.ts'

const HOUR_MS = 3_600_000
const PLACE = { topic: 'plant', partition: 0 }

/** What is deleted, and what is kept, over the embedded log, or over Kafka. */
export function describeRetention(brokers?: Brokers): void {
  let world: JobWorld
  let clock: SimulatedClock
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
    clock = new SimulatedClock()
  })
  afterEach(() => world.close())

  function retention(options: object, jobs = [world.job()]): Retention {
    const topics = [{ topic: 'plant', options: retentionOptions.parse(options) }]
    return new Retention({
      log: world.log,
      ledger: world.ledger,
      clock,
      logger: silentLogger,
      alarms: world.alarms,
      topics,
      jobs,
    })
  }

  const first = async () => (await world.log.end(PLACE)).first

  /** Looks every hour. */
  async function hours(of: Retention, count: number): Promise<void> {
    for (let hour = 0; hour < count; hour++) {
      await of.look()
      await clock.pass(HOUR_MS)
    }
    await of.look()
  }

  test('what has been in the log for its age goes, however old its own times are', async () => {
    await world.lay('a', ['one', 'two'], 0)
    const keep = retention({ age: '10h' }, [])
    await hours(keep, 5)
    await world.lay('a', ['three'], 0)
    await keep.look()
    expect(await first()).toBe(0)
    await hours(keep, 5)
    expect(await first()).toBe(2)
    await hours(keep, 6)
    expect(await first()).toBe(3)
  })

  test('what has been in the log for its age goes also after a clock that was a year ahead has been set right', async () => {
    clock.jump(365 * 24 * HOUR_MS)
    await world.lay('a', ['one', 'two'])
    const keep = retention({ age: '10h' }, [])
    await keep.look()
    clock.jump(-365 * 24 * HOUR_MS)
    await hours(keep, 9)
    expect(await first()).toBe(0)
    await hours(keep, 3)
    expect(await first()).toBe(2)
  })

  test('what a job has not read is kept, with an alarm before the limit; when it has, it goes and the alarm too', async () => {
    await world.lay('a', ['one', 'two'])
    const job = world.job()
    const keep = retention({ age: '10h' }, [job])
    await hours(keep, 7)
    expect(world.alarms.list()).toEqual([])
    await hours(keep, 8)
    expect(await first()).toBe(0)
    expect(world.alarms.list()).toMatchObject([
      {
        code: 'retention_backlog',
        source: 'g/a',
        message: expect.stringMatching(/^Job plant.load has not read 2 records of g\/a: 1\d\d %/),
      },
    ])
    await runNow(job)
    await keep.look()
    expect(await first()).toBe(2)
    expect(world.alarms.list()).toEqual([])
  })

  test('unless unread records are to be deleted: then the job is told which are gone', async () => {
    await world.lay('a', ['one', 'two'])
    const job = world.job()
    world.ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
    await hours(retention({ age: '10h', unread: 'delete' }, [job]), 12)
    expect(await first()).toBe(2)
    await expect(runNow(job)).rejects.toMatchObject({
      message: 'g/a: the job stands at 1, the log has [2, 2): [1, 2) is not there',
    })
  })

  test('also where it has never read anything: it began behind them, and nobody was told', async () => {
    await world.lay('a', ['one', 'two'])
    const job = world.job()
    await hours(retention({ age: '10h', unread: 'delete' }, [job]), 12)
    expect(await first()).toBe(2)
    await world.lay('a', ['three'])
    await expect(runNow(job)).rejects.toMatchObject({
      message: 'g/a: the job stands at 0, the log has [2, 3): [0, 2) is not there',
    })
  })

  test('where a job stands is said as well, with how much is lost: its lag was a question mark', async () => {
    await world.lay('a', ['one', 'two', 'three'])
    await world.lay('b', ['one'])
    const job = world.job()
    world.ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
    await hours(retention({ age: '10h', unread: 'delete' }, [job]), 12)
    await world.lay('a', ['four', 'five'])
    const { log, ledger } = world
    const scheduler = new BatchScheduler({ jobs: [job], log, ledger, clock, logger: silentLogger })
    expect(await scheduler.status()).toMatchObject([{ lag: 2, lost: 3 }])
    expect(await job.positions()).toMatchObject([
      { source: 'g/a', at: 1, from: 3, to: 5, lost: 2 },
      { source: 'g/b', at: 0, from: 1, to: 1, lost: 1 },
    ])
    // A log that was restored ends before it.
    world.ledger.setOffsets('plant.load', new Map([['g/a', 9]]))
    expect((await job.positions())[0]).toMatchObject({ at: 9, from: 5, to: 5, lost: 4 })
  })

  test('of too much the oldest goes, down to about the size', async () => {
    const values = Array.from({ length: 100 }, (_, index) => `${index} ${Math.sin(index).toString().repeat(400)}`)
    for (let batch = 0; batch < 20; batch++)
      await world.lay('a', values.map(value => `${batch} ${Math.random()} ${value}`).slice(0, 20))
    const job = world.job()
    await runNow(job)
    const sizeOf = async () => {
      const { first: from } = await world.log.end(PLACE)
      const [part] = await world.log.fetch([{ ...PLACE, from }], { maxBytes: 1e9, waitMs: 0 })
      return (part?.batches ?? []).reduce((sum, batch) => sum + batch.length, 0)
    }
    const before = await sizeOf()
    const keep = new Retention({
      ...{ log: world.log, ledger: world.ledger, clock, logger: silentLogger, alarms: world.alarms, jobs: [job] },
      topics: [{ topic: 'plant', options: { size: Math.floor(before / 2), age: undefined, unread: 'keep' } }],
    })
    await keep.look()
    const after = await sizeOf()
    expect(after / before).toBeGreaterThan(0.4)
    expect(after / before).toBeLessThan(0.6)
    await keep.look()
    expect(await sizeOf()).toBeGreaterThan(before * 0.4)
  })
}
