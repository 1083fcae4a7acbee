import { expect, test } from 'vitest'
import { FlashPace } from '../../src/buffer/flash-pace.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const DAY_S = 86_400
const GB = 1e9
/** What a commit costs, and each record in it, bytes. */
const COST = { commit: 4_000, record: 1_000 }

/** A gateway that gets so many records a second, for so many seconds, and commits them as the pace says. */
class Gateway {
  readonly clock = new SimulatedClock()
  readonly alarms = new Alarms(this.clock)
  readonly pace: FlashPace
  readonly #durabilityMs: number
  written = 0
  commits = 0

  constructor(perDay: number | undefined, durabilityMs: number) {
    this.pace = new FlashPace({ perDay, clock: this.clock, alarms: this.alarms })
    this.#durabilityMs = durabilityMs
  }

  async runs(seconds: number, recordsPerSecond: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      // A commit a record where there is time for it, and no more often than the pace lets them be.
      const waitMs = this.pace.waitMs(this.#durabilityMs)
      const commits = Math.min(recordsPerSecond, waitMs === 0 ? Number.POSITIVE_INFINITY : 1_000 / waitMs)
      this.commits += commits
      this.written += commits * COST.commit + recordsPerSecond * COST.record
      for (let each = 0; each < commits; each++) this.pace.committed()
      await this.clock.pass(1_000)
      this.pace.look(this.written)
    }
  }

  get codes(): string[] {
    return this.alarms.list().map(({ code }) => code)
  }
}

test('a quiet gateway commits at once, also where durability is long', async () => {
  const gateway = new Gateway(20 * GB, 1_000)
  await gateway.runs(600, 0.1)
  expect(gateway.pace.waitMs(1_000)).toBeLessThan(20)
  expect(gateway.codes).toEqual([])
})

test('a busy one gathers more for each commit, and writes no more in a day than its budget', async () => {
  const gateway = new Gateway(2 * GB, 60_000)
  await gateway.runs(DAY_S, 10)
  expect(gateway.written).toBeLessThan(2 * GB)
  expect(gateway.written).toBeGreaterThan(1.5 * GB)
  // At durability alone it would have committed once a minute.
  expect(gateway.commits).toBeGreaterThan(20 * 1_440)
  expect(gateway.codes).toEqual([])
})

test('what durability promises is kept where the budget cannot be, and that is an alarm, until the load is less', async () => {
  const gateway = new Gateway(GB, 50)
  await gateway.runs(4_000, 200)
  expect(gateway.pace.waitMs(50)).toBe(50)
  expect(gateway.codes).toEqual(['flash_budget'])
  expect(gateway.alarms.list()[0]?.message).toMatch(/writes \d+\.\d\d GB a day .* buffer\.flash_budget is/)
  await gateway.runs(4 * 3_600, 0.1)
  expect(gateway.codes).toEqual([])
})

test('a burst may use what was saved up, without an alarm', async () => {
  const gateway = new Gateway(24 * GB, 50)
  await gateway.runs(3_600, 0.1)
  await gateway.runs(600, 150)
  expect(gateway.codes).toEqual([])
})

test('without a budget records wait for durability, and what a day costs is told all the same', async () => {
  const gateway = new Gateway(undefined, 50)
  expect(gateway.pace.perDayNow).toBeNull()
  await gateway.runs(3_600, 200)
  expect(gateway.pace.waitMs(50)).toBe(50)
  expect(gateway.pace.perDayNow).toBe(Math.round((gateway.written / 3_600) * DAY_S))
})
