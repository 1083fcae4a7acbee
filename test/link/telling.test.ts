import { expect, test } from 'vitest'
import type { Standing } from '../../src/link/telling.ts'
import type { Fields } from '../../src/record/fields.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { World } from './world.ts'

const SPEED: Fields = { speed_kn: { type: 'number', unit: 'kn', description: 'Over ground' } }

/** A gateway whose facts the test changes. */
async function start() {
  const world = new World(5)
  await world.startIngress()
  const fields = new Map<string, Fields>([['gps', SPEED]])
  const standings = new Map<string, Standing>()
  const gateway = world.startGateway('boat', new MemoryDisk('instance-1'), ['gps', 'log'], {
    facts: {
      fieldsOf: source => fields.get(source),
      standingOf: source => standings.get(source) ?? 'read',
      left: source => standings.set(source, 'left'),
    },
  })
  const claim = (source: string) => world.log.claimOf({ gateway: 'boat', source })
  return { world, gateway, fields, standings, claim }
}

test('the registry hears of the fields at the opening, and of others within the session', async () => {
  const { world, gateway, fields, claim } = await start()
  await world.clock.pass(2_000)
  expect((await claim('gps'))?.fields).toEqual(SPEED)
  expect((await claim('log'))?.fields).toBeUndefined()
  const { session } = gateway.link.status()
  const changed: Fields = { speed_kmh: { type: 'number', unit: 'km/h' } }
  fields.set('gps', changed)
  await world.clock.pass(20_000)
  expect((await claim('gps'))?.fields).toEqual(changed)
  expect(gateway.link.status()).toMatchObject({ session, state: 'sending' })
})

test('of a large gateway every source has its turn to be looked at: the last of thousands is heard too', async () => {
  const world = new World(6)
  await world.startIngress()
  const sources = Array.from({ length: 2_100 }, (_, at) => `source-${at}`)
  const fields = new Map<string, Fields>()
  const gateway = world.startGateway('plant', new MemoryDisk('instance-1'), sources, {
    facts: { fieldsOf: source => fields.get(source), standingOf: () => 'read', left: () => {} },
  })
  await world.clock.pass(10_000)
  expect(gateway.link.status().state).toBe('sending')
  const named = ['source-0', 'source-1000', 'source-2099']
  for (const source of named) fields.set(source, SPEED)
  await world.clock.pass(2_000)
  for (const source of named) expect((await world.log.claimOf({ gateway: 'plant', source }))?.fields, source).toEqual(SPEED)
  expect((await world.log.claimOf({ gateway: 'plant', source: 'source-1' }))?.fields).toBeUndefined()
})

test('a source that is retired drains first, is marked then, and is named no more', async () => {
  const { world, gateway, standings, claim } = await start()
  await world.clock.pass(2_000)
  world.killIngress()
  gateway.buffer.give('gps', 30)
  standings.set('gps', 'leaving')
  await world.clock.pass(30_000)
  expect((await claim('gps'))?.retiredMs).toBeUndefined()
  await world.startIngress()
  expect(await world.drained([gateway])).toBe(true)
  await world.clock.pass(30_000)
  expect((await claim('gps'))?.retiredMs).toBeGreaterThan(0)
  expect((await world.values('boat', 'gps')).length).toBe(30)
  expect(standings.get('gps')).toBe('left')
  expect((await claim('log'))?.retiredMs).toBeUndefined()
})

test('a retired source that is written to again is frozen, and goes on in its own partition when a person says so', async () => {
  const { world, gateway, standings, claim } = await start()
  gateway.buffer.give('gps', 5)
  expect(await world.drained([gateway])).toBe(true)
  standings.set('gps', 'leaving')
  await world.clock.pass(30_000)
  const retired = await claim('gps')
  // Its pipeline names it again, and this gateway has forgotten that it was retired.
  standings.set('gps', 'read')
  gateway.buffer.give('gps', 3)
  world.network.cut()
  await world.clock.pass(30_000)
  expect(gateway.link.status().sources.find(({ source }) => source === 'gps')).toMatchObject({ state: 'frozen' })
  expect(gateway.alarms.list()).toMatchObject([
    { code: 'source_frozen', source: 'gps', message: expect.stringContaining('was retired on') },
  ])
  const resumed = gateway.link.resume('gps')
  await world.clock.pass(5_000)
  expect(await resumed).toEqual({ outcome: 'resumed', epoch: 1, from: 5 })
  const again = await claim('gps')
  expect(again?.retiredMs).toBeUndefined()
  expect(again).toMatchObject({ topic: retired?.topic, partition: retired?.partition, fields: SPEED })
})

test('a source that this gateway retired goes on when a person resumes it', async () => {
  const { world, gateway, standings, claim } = await start()
  gateway.buffer.give('gps', 5)
  expect(await world.drained([gateway])).toBe(true)
  standings.set('gps', 'leaving')
  await world.clock.pass(30_000)
  expect(standings.get('gps')).toBe('left')
  const resumed = gateway.link.resume('gps')
  await world.clock.pass(5_000)
  expect(await resumed).toEqual({ outcome: 'resumed', epoch: 1, from: 5 })
  expect((await claim('gps'))?.retiredMs).toBeUndefined()
})

test('fields of thousands of sources are told over several questions', async () => {
  const world = new World(6)
  await world.startIngress()
  const many: Fields = Object.fromEntries(
    Array.from({ length: 400 }, (_, at) => [`register_number_${at}`, { type: 'number' as const }]),
  )
  const names = Array.from({ length: 40 }, (_, at) => `meter-${at}`)
  const facts = { fieldsOf: () => many, standingOf: () => 'read' as const, left: () => {} }
  world.startGateway('plant', new MemoryDisk('instance-1'), names, { facts })
  await world.clock.pass(60_000)
  for (const source of names)
    expect(Object.keys((await world.log.claimOf({ gateway: 'plant', source }))?.fields ?? {}).length).toBe(400)
})
