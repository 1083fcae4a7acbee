import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Budget } from '../../src/link/budget.ts'
import { type BudgetOptions, uplinkOptions } from '../../src/link/options.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { findings, World } from './world.ts'

const HOUR_MS = 3_600_000
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-budget-'))
  folders.push(folder)
  return join(folder, 'budget.json')
}

function budgetOf(given: object, clock: SimulatedClock, file: string) {
  const options = uplinkOptions.parse({ url: 'amqp://core', budget: given }).budget as BudgetOptions
  const alarms = new Alarms(clock)
  return { budget: new Budget({ options, file, clock, alarms }), alarms }
}

test('what was spent that cannot be written down ends no session: it is counted in memory, and said', async () => {
  const world = new World(7)
  await world.startIngress()
  const file = newFile()
  // Where it is to be written there is a folder: as with a full disk, each attempt fails.
  mkdirSync(`${file}.new`)
  const { budget, alarms } = budgetOf({ bytes_per_day: '200KiB' }, world.clock, file)
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'], { budget })
  for (let round = 0; round < 20; round++) {
    gateway.buffer.give('source-1', 20)
    await world.clock.pass(1_000)
  }
  expect(await world.drained([gateway])).toBe(true)
  expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 400)).toEqual([])
  expect(budget.spentBytes).toBeGreaterThan(0)
  expect(alarms.list().map(({ code }) => code)).toEqual(['budget_unwritten'])
  rmSync(`${file}.new`, { recursive: true })
  budget.spend(10_000)
  expect(alarms.list()).toEqual([])
})

test('a gateway whose clock is not set after a start had all bytes of the day once more, and once more when it was set', async () => {
  const clock = new SimulatedClock()
  const file = newFile()
  writeFileSync(file, JSON.stringify({ day: '2026-01-01', bytes: 65_536 }))
  const toUnsetMs = 56 * 365 * 24 * HOUR_MS
  clock.jump(-toUnsetMs)
  const { budget } = budgetOf({ bytes_per_day: '64KiB' }, clock, file)
  expect(budget.floor).toBe(Number.POSITIVE_INFINITY)
  clock.jump(toUnsetMs)
  await clock.pass(2_000)
  expect(budget.floor).toBe(Number.POSITIVE_INFINITY)
  await clock.pass(24 * HOUR_MS)
  expect(budget.floor).toBe(Number.NEGATIVE_INFINITY)
})

test('a clock that is never set has days of its own', async () => {
  const clock = new SimulatedClock()
  clock.jump(-56 * 365 * 24 * HOUR_MS)
  const { budget } = budgetOf({ bytes_per_day: '64KiB' }, clock, newFile())
  budget.spend(70_000)
  expect(budget.floor).toBe(Number.POSITIVE_INFINITY)
  await clock.pass(24 * HOUR_MS)
  expect(budget.floor).toBe(Number.NEGATIVE_INFINITY)
})

test('an urgent source that is frozen kept the link open at hours at which it is to be down: nothing of it may be sent', async () => {
  const world = new World(7)
  await world.startIngress()
  const { budget } = budgetOf({ hours: ['00:00-00:05'], urgent: 0 }, world.clock, newFile())
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'], { budget })
  await world.clock.pass(60_000)
  await gateway.buffer.outlet('source-1')?.freeze({ code: 'log_ahead', message: 'm', advice: 'a' })
  world.killGateway(gateway)
  await world.clock.pass(10 * 60_000)
  const again = world.startGateway('gw-1', gateway.disk, ['source-1'], { budget })
  again.buffer.give('source-1', 20)
  const spent = budget.spentBytes
  await world.clock.pass(HOUR_MS)
  expect(budget.spentBytes).toBe(spent)
  expect(again.link.status().state).toBe('waiting')
})
