import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { QuotaOptions } from '../../src/ingress/quota-options.ts'
import { Budget } from '../../src/link/budget.ts'
import { type BudgetOptions, uplinkOptions } from '../../src/link/options.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { type Gateway, World } from './world.ts'

const MINUTE_MS = 60_000
/** Two records a second, in batches of ten: each source has its turn every two minutes. */
const SLOW: QuotaOptions = { default: { records_per_second: 2 }, gateways: {} }
const SOURCES = Array.from({ length: 24 }, (_, index) => `source-${index}`)
const GIVEN = 60

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-held-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const told = ({ alarms }: Gateway) => alarms.list().map(({ code, source }) => `${code} ${source ?? ''}`.trim())

/** Batches of every source are cut and were sent in vain: they wait to be sent again when the core comes back, with these quotas. */
async function comingBack(quotas: QuotaOptions | undefined) {
  const world = new World(3)
  await world.startIngress()
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
  for (const source of SOURCES) gateway.buffer.give(source, 10)
  expect(await world.drained([gateway])).toBe(true)
  world.log.away = true
  for (const source of SOURCES) gateway.buffer.give(source, GIVEN - 10)
  await world.clock.pass(50)
  world.killIngress()
  world.log.away = false
  await world.startIngress('core-1', { quotas })
  return { world, gateway }
}

describe('a source that is held back on purpose', () => {
  test('was told to a person as stuck: by its quota it waits for minutes, and that is nothing to look at', async () => {
    const { world, gateway } = await comingBack(SLOW)
    const seen = new Set<string>()
    for (let minute = 0; minute < 6; minute++) {
      await world.clock.pass(MINUTE_MS)
      for (const alarm of told(gateway)) seen.add(alarm)
    }
    expect([...seen]).toEqual([])
    expect(gateway.buffer.outlets().some(({ settled }) => settled < GIVEN)).toBe(true)
    expect(gateway.link.status().state).toBe('sending')
    await gateway.link.stop()
  })

  test('is told all the same where it moves no more once its turn came', async () => {
    const { world, gateway } = await comingBack({ default: { records_per_second: 20 }, gateways: {} })
    await world.clock.passUntil(() => gateway.link.status().state === 'sending', MINUTE_MS)
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    world.log.fault = ({ partition }) => (partition === claim?.partition ? 'lost before' : undefined)
    for (let second = 0; second < 180; second++) {
      gateway.buffer.give('source-2', 20)
      await world.clock.pass(1_000)
    }
    expect(world.ingresses.get('core-1')?.status().gateways[0]?.quota.throttledMs).toBeGreaterThan(MINUTE_MS)
    expect(told(gateway)).toEqual(['source_stuck source-1'])
    await gateway.link.stop()
  })

  test('was told as stuck by a budget that only what is urgent may pass', async () => {
    const world = new World(3)
    await world.startIngress()
    const given = { hours: ['00:00-00:01'], urgent: 0 }
    const options = uplinkOptions.parse({ url: 'amqp://core', budget: given }).budget as BudgetOptions
    const budget = new Budget({ options, file: join(folder, 'budget.json'), clock: world.clock, alarms: world.coreAlarms })
    const disk = new MemoryDisk('instance-1')
    new MemoryBuffer('gw-1', disk).addSource('other', 'topic-1', -1)
    const gateway = world.startGateway('gw-1', disk, ['urgent'], { budget })
    gateway.buffer.give('other', 10)
    expect(await world.drained([gateway])).toBe(true)
    // Cut, sent in vain, and then the hour is over.
    world.log.away = true
    gateway.buffer.give('other', GIVEN - 10)
    await world.clock.pass(MINUTE_MS)
    world.log.away = false
    // So slow that something urgent is on its way at every moment: the session stands.
    world.network.latencyMs = 2_000
    for (let step = 0; step < 400; step++) {
      gateway.buffer.give('urgent', 5)
      await world.clock.pass(250)
    }
    expect(gateway.link.status().state).toBe('sending')
    expect(gateway.buffer.outlet('urgent')?.settled).toBeGreaterThan(500)
    expect(gateway.buffer.outlet('other')).toMatchObject({ settled: 10, next: GIVEN })
    expect(told(gateway)).toEqual([])
    world.killGateway(gateway)
  })
})
