import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Budget } from '../../src/link/budget.ts'
import { type BudgetOptions, uplinkOptions } from '../../src/link/options.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { findings, type Gateway, World } from './world.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** The world begins at midnight; here so long before it. */
const BEFORE_MIDNIGHT_MS = 5 * MINUTE_MS
/** Of each source: three times as many are more than the bytes of one day, and less than those of two. */
const GIVEN = 450
/** In the order in which the gateway has them; the most important is neither first nor last. */
const PRIORITIES = { house: -5, pressure: 5, temperature: 0 }
const EQUAL = { house: 0, pressure: 0, temperature: 0 }
const SOURCES = Object.keys(PRIORITIES)
const SMALL = { bytes_per_day: '64KiB' }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-scarce-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A gateway that comes back to its link with the same backlog of every source. */
async function backlog(given: object, priorities: Readonly<Record<string, number>> = PRIORITIES) {
  const world = new World(11)
  world.clock.jump(DAY_MS - BEFORE_MIDNIGHT_MS)
  await world.startIngress()
  const options = uplinkOptions.parse({ url: 'amqp://core', budget: given }).budget as BudgetOptions
  const budget = new Budget({ options, file: join(folder, 'budget.json'), clock: world.clock, alarms: world.coreAlarms })
  const disk = new MemoryDisk('instance-1')
  const before = new MemoryBuffer('gw-1', disk)
  for (const [source, priority] of Object.entries(priorities)) {
    before.addSource(source, 'topic-1', priority)
    before.give(source, GIVEN)
  }
  const gateway = world.startGateway('gw-1', disk, [], { budget })
  return { world, gateway }
}

/** How many records of a source the core has, by its outcomes. */
const settled = ({ buffer }: Gateway, source: string) => buffer.outlet(source)?.settled ?? 0

async function expectAll(world: World): Promise<void> {
  for (const source of SOURCES) expect(findings(await world.values('gw-1', source), source, GIVEN)).toEqual([])
}

describe('a budget that is too small for what waits', () => {
  test('is spent on the most important; the rest waits for the next day, and nothing is lost', async () => {
    const { world, gateway } = await backlog(SMALL)
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 2)
    expect(gateway.link.status().state).toBe('waiting')
    expect(settled(gateway, 'pressure')).toBe(GIVEN)
    expect(settled(gateway, 'temperature'), 'what was left of the day').toBeGreaterThan(100)
    expect(settled(gateway, 'temperature')).toBeLessThan(GIVEN)
    expect(settled(gateway, 'house')).toBe(0)
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 4)
    expect(settled(gateway, 'house'), 'until midnight it stays so').toBe(0)
    expect(await world.drained([gateway], BEFORE_MIDNIGHT_MS)).toBe(true)
    await expectAll(world)
    await gateway.link.stop()
  })

  test('is shared where no source is more important: the priority is what decided', async () => {
    const { world, gateway } = await backlog(SMALL, EQUAL)
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 2)
    expect(gateway.link.status().state).toBe('waiting')
    for (const source of SOURCES) {
      expect(settled(gateway, source)).toBeGreaterThan(100)
      expect(settled(gateway, source)).toBeLessThan(GIVEN)
    }
    await gateway.link.stop()
  })

  test('is not kept for what is important and does not move: its partition takes nothing, the others go', async () => {
    const { world, gateway } = await backlog(SMALL)
    await world.clock.passUntil(() => settled(gateway, 'pressure') > 0, MINUTE_MS)
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'pressure' })
    world.log.fault = ({ partition }) => (partition === claim?.partition ? 'lost before' : undefined)
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 2)
    expect(settled(gateway, 'pressure')).toBeLessThan(GIVEN)
    expect(settled(gateway, 'temperature')).toBe(GIVEN)
    world.log.fault = () => undefined
    // What was sent in vain was paid for: the rest takes another day.
    await world.clock.pass(BEFORE_MIDNIGHT_MS)
    world.clock.jump(DAY_MS)
    expect(await world.drained([gateway])).toBe(true)
    await expectAll(world)
    await gateway.link.stop()
  })

  test('with hours: what is urgent goes before they open, the rest when they do', async () => {
    const { world, gateway } = await backlog({ hours: ['00:00-01:00'], urgent: 5 })
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 2)
    expect(SOURCES.map(source => settled(gateway, source))).toEqual([0, GIVEN, 0])
    expect(gateway.link.status().state).toBe('waiting')
    expect(await world.drained([gateway], BEFORE_MIDNIGHT_MS)).toBe(true)
    await expectAll(world)
    await gateway.link.stop()
  })

  test('with hours and nothing urgent: nobody goes before they open', async () => {
    const { world, gateway } = await backlog({ hours: ['00:00-01:00'] })
    await world.clock.pass(BEFORE_MIDNIGHT_MS / 2)
    expect(SOURCES.map(source => settled(gateway, source))).toEqual([0, 0, 0])
    await gateway.link.stop()
  })
})
