import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Budget } from '../../src/link/budget.ts'
import { type BudgetOptions, uplinkOptions } from '../../src/link/options.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { findings, World } from './world.ts'

const HOUR_MS = 3_600_000
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function budgetOf(given: object, clock: SimulatedClock, file = newFile()) {
  const options = uplinkOptions.parse({ url: 'amqp://core', budget: given }).budget as BudgetOptions
  const alarms = new Alarms(clock)
  return { budget: new Budget({ options, file, clock, alarms }), alarms, file }
}

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-budget-'))
  folders.push(folder)
  return join(folder, 'budget.json')
}

describe('a link that costs money', () => {
  // The simulated day begins at midnight, UTC.
  test('is open at its hours, also over midnight, and in its own time zone', async () => {
    const clock = new SimulatedClock()
    const { budget: night } = budgetOf({ hours: ['22:00-06:00'] }, clock)
    const { budget: tokyo } = budgetOf({ hours: ['09:00-10:00'], timezone: 'Asia/Tokyo' }, clock)
    expect([night.floor, tokyo.floor]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])
    await clock.pass(7 * HOUR_MS)
    expect([night.floor, tokyo.floor]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
    await clock.pass(15 * HOUR_MS)
    expect(night.floor).toBe(Number.NEGATIVE_INFINITY)
  })

  test('sends only what is urgent once the bytes of the day are spent, and everything on the next day', async () => {
    const clock = new SimulatedClock()
    const { budget, alarms } = budgetOf({ bytes_per_day: '64KiB', urgent: 5 }, clock)
    budget.spend(60_000)
    expect(budget.floor).toBe(Number.NEGATIVE_INFINITY)
    budget.spend(6_000)
    expect(budget.floor).toBe(5)
    expect(alarms.list().map(({ code }) => code)).toEqual(['budget_spent'])
    await clock.pass(24 * HOUR_MS)
    expect(budget.floor).toBe(Number.NEGATIVE_INFINITY)
    expect(alarms.list()).toEqual([])
  })

  test('remembers over a restart what was spent', () => {
    const clock = new SimulatedClock()
    const { budget, file } = budgetOf({ bytes_per_day: '64KiB' }, clock)
    // Each counts for more than its body.
    for (let sent = 0; sent < 60; sent++) budget.spend(1_000)
    const { budget: again } = budgetOf({ bytes_per_day: '64KiB' }, clock, file)
    expect(again.floor).toBe(Number.POSITIVE_INFINITY)
    expect(budget.spentBytes - again.spentBytes).toBeLessThan(64 * 1024 * 0.03)
  })

  test('is down outside its hours, keeps what is read, and sends all of it in order when they come', async () => {
    const world = new World(5)
    await world.startIngress()
    const { budget } = budgetOf({ hours: ['00:05-00:10'] }, world.clock)
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'], { budget })
    gateway.buffer.give('source-1', 200)
    await world.clock.pass(4 * 60_000)
    expect(await world.values('gw-1', 'source-1')).toEqual([])
    expect(gateway.link.status().state).toBe('waiting')
    expect(gateway.alarms.list()).toEqual([])
    await world.clock.pass(62_000)
    expect(await world.drained([gateway])).toBe(true)
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 200)).toEqual([])
    await world.clock.pass(5 * 60_000)
    gateway.buffer.give('source-1', 10)
    await world.clock.pass(60_000)
    expect(gateway.link.status().state).toBe('waiting')
    expect((await world.values('gw-1', 'source-1')).length).toBe(200)
    await gateway.link.stop()
  })

  test('has one connection for something urgent that speaks often, counts it, and none soon after the last of it', async () => {
    const world = new World(6)
    await world.startIngress()
    const { budget } = budgetOf({ hours: ['12:00-12:10'], urgent: 5, bytes_per_day: '1MiB' }, world.clock)
    let dials = 0
    const connect = () => {
      dials += 1
      return world.network.dial('core-1')
    }
    const disk = new MemoryDisk('instance-1')
    new MemoryBuffer('gw-1', disk).addSource('alarm', 'topic-1', 5)
    const gateway = world.startGateway('gw-1', disk, [], { budget, connect })
    await world.clock.pass(60_000)
    expect([dials, budget.spentBytes]).toEqual([0, 0])
    for (let said = 1; said <= 20; said++) {
      gateway.buffer.give('alarm', 1)
      await world.clock.pass(3_000)
      expect((await world.values('gw-1', 'alarm')).length).toBe(said)
    }
    expect(dials).toBe(1)
    expect(budget.spentBytes, 'a connection and twenty messages').toBeGreaterThan(6_000 + 20 * 400)
    expect(gateway.link.status().state).toBe('sending')
    await world.clock.pass(20_000)
    expect(gateway.link.status().state).toBe('waiting')
    await gateway.link.stop()
  })
})
