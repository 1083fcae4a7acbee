import { describe, expect, test } from 'vitest'
import { cutBatch } from '../support/batches.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { type Gateway, SOURCES, settled, World } from './world.ts'

describe('what the core did to a source', () => {
  test('a batch that went to the dead letters does not make the next opening freeze its source', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    world.log.fault = (place, batch) =>
      place.topic === claim?.topic && batch.sequence === 100 && world.log.bounds(place).next === 100 && batch.bytes.length > 400
        ? 'rejected'
        : undefined
    gateway.buffer.give('source-1', 10)
    expect(await world.drained([gateway])).toBe(true)
    expect((await world.values('gw-1', 'source-1')).slice(100)).toEqual(Array(10).fill(null))
    expect(world.coreAlarms.list().map(({ code }) => code)).toEqual(['dead_letter'])
    world.killIngress()
    await world.startIngress()
    gateway.buffer.give('source-1', 10)
    expect(await world.drained([gateway])).toBe(true)
    expect(gateway.link.status().sources[0]?.state).toBe('open')
    expect(await world.values('gw-1', 'source-1')).toHaveLength(120)
  })

  test('an intruder in a partition freezes its source alone, on disk, and a resume goes on behind him', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    if (!claim) throw new Error('no claim')
    world.log.intrude(claim, cutBatch(0, 7, { producerId: 4_000 }).bytes)
    for (const source of SOURCES) gateway.buffer.give(source, 50)
    expect(await world.drained([gateway])).toBe(true)
    expect(gateway.link.status().sources.map(({ state }) => state)).toEqual(['frozen', 'open', 'open'])
    expect(gateway.alarms.list()).toMatchObject([{ code: 'source_frozen', source: 'source-1' }])
    await gateway.link.stop()
    const again = world.startGateway('gw-1', gateway.disk, SOURCES)
    await world.clock.pass(3_000)
    expect(again.link.status().sources.map(({ state }) => state)).toEqual(['frozen', 'open', 'open'])
    const resumed = again.link.resume('source-1')
    await world.clock.pass(3_000)
    expect(await resumed).toEqual({ outcome: 'resumed', epoch: 1, from: 117 })
    again.buffer.give('source-1', 5)
    expect(await world.drained([again])).toBe(true)
    expect((await world.values('gw-1', 'source-1')).slice(-5)).toEqual([150, 151, 152, 153, 154].map(n => `source-1#${n}`))
    expect(again.alarms.list()).toEqual([])
  })

  test('a disk from before it was resumed is known for an older copy, though it was frozen then', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    if (!claim) throw new Error('no claim')
    world.log.intrude(claim, cutBatch(0, 7, { producerId: 4_000 }).bytes)
    gateway.buffer.give('source-1', 50)
    expect(await world.drained([gateway])).toBe(true)
    const older = gateway.disk.clone('instance-1')
    const resumed = gateway.link.resume('source-1')
    await world.clock.pass(3_000)
    expect(await resumed).toMatchObject({ outcome: 'resumed', epoch: 1 })
    expect(await world.drained([gateway])).toBe(true)
    await gateway.link.stop()
    const again = world.startGateway('gw-1', older, SOURCES)
    expect(again.buffer.outlets()[0]?.frozen?.code).not.toBe('epoch_ahead')
    await world.clock.pass(3_000)
    expect(again.buffer.outlets()[0]?.frozen?.code).toBe('epoch_ahead')
    const next = again.link.resume('source-1')
    await world.clock.pass(3_000)
    expect(await next).toMatchObject({ outcome: 'resumed', epoch: 2 })
  })

  test('a resume that the core does not answer is refused after a while, and the source stays frozen', async () => {
    const { world, gateway } = await settled()
    world.log.exchange('memory-log-2')
    world.network.cut()
    await world.clock.pass(5_000)
    world.killIngress()
    const resumed = gateway.link.resume('source-1')
    await world.clock.pass(31_000)
    expect(await resumed).toMatchObject({ outcome: 'refused' })
    expect(gateway.link.status().sources[0]?.state).toBe('frozen')
  })
})

describe('how large a batch the log takes', () => {
  const limitOf = (gateway: Gateway) => gateway.buffer.outlet('source-1')?.assignment?.batchBytesMax

  test('is told at the opening, and kept', async () => {
    const world = new World(5)
    world.log.batchBytes = 50_000
    await world.startIngress()
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'])
    await world.clock.pass(5_000)
    expect(limitOf(gateway)).toBe(50_000)
  })

  test('is learned within a session when it is lowered: a source whose batch is refused asks, and cuts smaller ones from then on', async () => {
    const world = new World(5)
    await world.startIngress()
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    await world.clock.pass(5_000)
    expect(limitOf(gateway)).toBeUndefined()
    world.log.batchBytes = 20_000
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    world.log.fault = ({ partition }) => (partition === claim?.partition ? 'too_large' : undefined)
    gateway.buffer.give('source-1', 10)
    const session = gateway.link.status().session
    for (let second = 0; second < 15; second++) {
      gateway.buffer.give('source-2', 1)
      await world.clock.pass(1_000)
    }
    expect(limitOf(gateway)).toBe(20_000)
    expect(gateway.link.status().session).toBe(session)
  })
})
