import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/amqp/amqp.ts'
import { ASK_IDLE_END_AFTER_MS } from '../../src/link/lane.ts'
import { Refusals, SHOWS_NOTHING } from '../../src/link/refusals.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { findings, SOURCES, settled, World } from './world.ts'

describe('a link', () => {
  test('carries everything, once and in order', async () => {
    const { world, gateway } = await settled()
    for (const source of SOURCES) expect(findings(await world.values('gw-1', source), source, 100)).toEqual([])
    expect(gateway.link.status()).toMatchObject({ state: 'sending', session: 1, peer: 'core-1' })
    expect(world.ingresses.get('core-1')?.status().gateways).toMatchObject([{ gateway: 'gw-1', session: 1 }])
    expect(world.ingresses.get('core-1')?.status().sources).toContainEqual({
      source: 'gw-1/source-2',
      topic: 'topic-1',
      partition: 1,
      next: 100,
    })
  })

  test('opens anew after its connection was cut, and carries on', async () => {
    const { world, gateway } = await settled()
    gateway.buffer.give('source-1', 300)
    await world.clock.pass(5)
    world.network.cut()
    expect(await world.drained([gateway])).toBe(true)
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 400)).toEqual([])
    expect(gateway.link.status().session).toBeGreaterThan(1)
  })

  test('waits for a core that is not there, and says so after a minute', async () => {
    const world = new World(1)
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    gateway.buffer.give('source-1', 10)
    await world.clock.pass(61_000)
    expect(gateway.alarms.list()).toMatchObject([{ code: 'link_down', message: expect.stringContaining('The latest attempt: ') }])
    await world.startIngress()
    expect(await world.drained([gateway])).toBe(true)
    expect(gateway.alarms.list()).toEqual([])
  })

  test('that is refused says by whom, as whom it came, and what to do, until it is let in', async () => {
    const world = new World(1)
    await world.startIngress()
    let refused: unknown = new HeadraceError('link_refused', 'core-1: it does not take the certificate shown here')
    let name = 'gw-2'
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES, {
      connect: () => (refused === undefined ? world.network.dial('core-1') : Promise.reject(refused)),
      shownAs: () => ({ by: 'certificate', name }),
    })
    const told = () => gateway.alarms.list().find(({ code }) => code === 'link_refused')
    await world.clock.pass(1_000)
    expect(told()?.message).toContain('(This gateway is gw-1, and shows a certificate of gw-2.)')
    expect(told()?.advice).toContain('headrace ca token --gateway gw-1')
    name = 'gw-1'
    await world.clock.pass(20_000)
    expect(told()?.advice).toContain("Look at the core's log")
    refused = undefined
    await world.clock.pass(20_000)
    expect(gateway.alarms.list()).toEqual([])
  })

  test('that a broker sends away is told what a broker has to know of it', () => {
    const alarms = new Alarms(new SimulatedClock())
    const shownAs = () => ({ by: 'certificate', name: 'gw-1' }) as const
    new Refusals({ gateway: 'gw-1', mode: 'broker', shownAs, alarms, log: silentLogger }).sentAway('who is that')
    expect(alarms.list()).toMatchObject([
      {
        message: expect.stringContaining('The broker sends this gateway away'),
        advice: expect.stringContaining('one of its users'),
      },
    ])
  })

  test('that was never enrolled is told to enrol, and not only to look at whom it trusts', () => {
    const alarms = new Alarms(new SimulatedClock())
    const shownAs = () => SHOWS_NOTHING
    const untrusted = new HeadraceError('link_refused', 'its certificate does not come from …', {
      advice: 'Look at whom it trusts.',
    })
    new Refusals({ gateway: 'gw-1', mode: 'direct', shownAs, alarms, log: silentLogger }).byPeer(untrusted)
    expect(alarms.list()).toMatchObject([{ advice: expect.stringMatching(/^Enrol it.* Look at whom it trusts\.$/) }])
  })

  test('that comes while the core stops, or has too many, is not told that it may not', async () => {
    const world = new World(1)
    const busy = { condition: 'amqp:resource-limit-exceeded', description: 'too many' }
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES, {
      connect: () => Promise.reject(new HeadraceError('link_refused', 'core-1: too many', { cause: busy })),
    })
    await world.clock.pass(61_000)
    expect(gateway.alarms.list()).toMatchObject([{ code: 'link_down', message: expect.stringContaining('core-1: too many') }])
  })

  test('asks again while the core cannot reach its log', async () => {
    const world = new World(1)
    await world.startIngress()
    world.log.away = true
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    gateway.buffer.give('source-1', 10)
    await world.clock.pass(5_000)
    expect(gateway.link.status().state).toBe('opening')
    world.log.away = false
    expect(await world.drained([gateway])).toBe(true)
  })

  test('goes one above where the core knows a session that is not below', async () => {
    const { world, gateway } = await settled()
    await gateway.link.stop()
    gateway.disk.session = 0
    const again = world.startGateway('gw-1', gateway.disk, SOURCES)
    again.buffer.give('source-1', 10)
    expect(await world.drained([again])).toBe(true)
    expect(again.link.status().session).toBe(2)
  })

  test('a gateway that comes back after kill -9 sends nothing twice', async () => {
    const { world, gateway } = await settled()
    gateway.buffer.give('source-1', 300)
    await world.clock.pass(5)
    world.killGateway(gateway)
    world.network.cut()
    await world.clock.pass(1)
    const again = world.startGateway('gw-1', gateway.disk, SOURCES)
    expect(await world.drained([again])).toBe(true)
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 400)).toEqual([])
  })

  test('sends again what the log lost, and what it no longer keeps as placeholders of the same numbers', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    if (!claim) throw new Error('no claim')
    world.log.loseTail(claim, 40)
    gateway.buffer.outlet('source-1')?.forget(60)
    gateway.buffer.give('source-1', 20)
    world.network.cut()
    expect(await world.drained([gateway])).toBe(true)
    const values = await world.values('gw-1', 'source-1')
    expect(values).toHaveLength(120)
    expect(values.slice(40, 60)).toEqual(Array(20).fill(null))
    values.splice(40, 20, ...Array.from({ length: 20 }, (_, index) => `source-1#${40 + index}`))
    expect(findings(values, 'source-1', 120)).toEqual([])
  })

  test('freezes its sources before another log, and a resume adopts it for one', async () => {
    const { world, gateway } = await settled()
    world.log.exchange('memory-log-2')
    world.network.cut()
    await world.clock.pass(5_000)
    gateway.buffer.give('source-1', 10)
    await world.clock.pass(5_000)
    expect(await world.values('gw-1', 'source-1')).toHaveLength(100)
    expect(gateway.link.status().sources.map(({ state }) => state)).toEqual(['frozen', 'frozen', 'frozen'])
    expect(gateway.alarms.list()[0]).toMatchObject({ code: 'source_frozen', source: 'source-1' })
    const resumed = gateway.link.resume('source-1')
    await world.clock.pass(5_000)
    expect(await resumed).toEqual({ outcome: 'resumed', epoch: 1, from: 100 })
    expect(await world.drained([gateway])).toBe(true)
    const values = await world.values('gw-1', 'source-1')
    expect(values[100]).toBe(null)
    expect(values.slice(101)).toEqual(Array.from({ length: 10 }, (_, index) => `source-1#${100 + index}`))
    expect(gateway.link.status().sources.map(({ state }) => state)).toEqual(['open', 'frozen', 'frozen'])
  })

  test('a cloned disk is refused while the real one is there, and frozen where the log shows that both wrote', async () => {
    const { world, gateway } = await settled()
    const clone = world.startGateway('gw-1', gateway.disk.clone('instance-2'), SOURCES)
    clone.buffer.give('source-1', 10)
    await world.clock.pass(5_000)
    expect(clone.link.status().state).toBe('refused')
    expect(clone.alarms.list().map(({ code }) => code)).toContain('other_instance')
    // A copy with the same instance takes the session over and over; the log tells which batches are whose.
    const twin = world.startGateway('gw-1', gateway.disk.clone('instance-1'), SOURCES)
    for (let round = 0; round < 10; round++) {
      gateway.buffer.give('source-1', 5)
      twin.buffer.give('source-1', 7)
      await world.clock.pass(2_000)
    }
    const states = [gateway, twin].map(({ link }) => link.status().sources[0]?.state)
    expect(states).toContain('frozen')
    const values = await world.values('gw-1', 'source-1')
    const numbers = values.map(value => Number(value?.split('#')[1]))
    expect(numbers).toEqual(numbers.map((_, index) => index))
  })

  test('one source whose topic is refused does not hold the others', async () => {
    const world = new World(1)
    await world.startIngress()
    const disk = new MemoryDisk('instance-1')
    const gateway = world.startGateway('gw-1', disk, ['source-1'])
    gateway.buffer.addSource('source-x', 'taken')
    gateway.buffer.give('source-1', 50)
    await world.clock.passUntil(() => gateway.buffer.outlet('source-1')?.settled === 50, 10_000)
    await world.clock.pass(3_000)
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 50)).toEqual([])
    const advice = 'Choose another topic. The core is asked again by itself, every half a minute.'
    expect(gateway.alarms.list()).toMatchObject([{ code: 'source_refused', source: 'source-x', advice }])
  })

  test('a stop settles what is on its way', async () => {
    const { world, gateway } = await settled()
    gateway.buffer.give('source-1', 50)
    await world.clock.pass(3)
    const stopped = gateway.link.stop()
    await world.clock.pass(5_000)
    await stopped
    const outlet = gateway.buffer.outlet('source-1')
    expect(outlet?.settled).toBe(outlet?.position)
    expect(gateway.link.status().state).toBe('stopped')
  })
})

describe('a stop takes no time', () => {
  test('while the core does not answer the opening', async () => {
    const world = new World(1)
    await world.startIngress()
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    world.log.latencyMs = 1_000_000
    await world.clock.passUntil(() => gateway.link.status().state === 'opening', 1_000)
    const stopped = gateway.link.stop()
    await world.clock.pass(10)
    await stopped
    expect(gateway.link.status().state).toBe('stopped')
  })

  test('while the core cannot be reached, and a connection that still comes is closed', async () => {
    const world = new World(1)
    await world.startIngress()
    const late = Promise.withResolvers<Connection>()
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES, { connect: () => late.promise })
    await world.clock.pass(10)
    await gateway.link.stop()
    const connection = await world.network.dial()
    late.resolve(connection)
    await connection.closed
    expect(gateway.link.status().state).toBe('stopped')
  })
})

describe('a core that is frozen', () => {
  test('is given up for another one within seconds, and does no harm when it wakes', async () => {
    const world = new World(5)
    await world.startIngress('core-1')
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    await world.clock.pass(500)
    await world.startIngress('core-2')
    gateway.buffer.give('source-1', 200)
    await world.clock.pass(2)
    world.network.freeze('core-1')
    expect(await world.drained([gateway], 15_000)).toBe(true)
    expect(gateway.link.status().peer).toBe('core-2')
    world.network.thaw('core-1')
    gateway.buffer.give('source-1', 200)
    expect(await world.drained([gateway])).toBe(true)
    await world.clock.pass(10_000)
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 400)).toEqual([])
  })
})

async function claimOf(world: World, source: string) {
  const claimed = world.log.claim({ gateway: 'gw-1', source }, 'topic-1')
  await world.clock.pass(10)
  return claimed
}

describe('rule 11: sources are judged one by one', () => {
  test('a source that is stuck is asked about, told to a person, and does not hold the others', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    world.log.fault = ({ partition }) => (partition === claim?.partition ? 'lost before' : undefined)
    gateway.buffer.give('source-1', 10)
    for (let second = 0; second < 65; second++) {
      gateway.buffer.give('source-2', 5)
      await world.clock.pass(1_000)
    }
    expect(gateway.link.status()).toMatchObject({ state: 'sending', session: 1 })
    expect(gateway.alarms.list()).toMatchObject([{ code: 'source_stuck', source: 'source-1' }])
    expect(gateway.buffer.outlet('source-2')?.settled).toBe(425)
    world.log.fault = () => undefined
    expect(await world.drained([gateway])).toBe(true)
    await world.clock.pass(300)
    expect(gateway.alarms.list()).toEqual([])
  })

  test('a source whose partition had no leader at the opening is told to a person as well, and goes on by itself', async () => {
    const world = new World(1)
    await world.startIngress()
    const { partition } = await claimOf(world, 'source-1')
    world.log.leaderless = place => place.partition === partition
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
    gateway.buffer.give('source-1', 10)
    gateway.buffer.give('source-2', 10)
    await world.clock.pass(65_000)
    expect(gateway.buffer.outlet('source-2')?.settled).toBe(10)
    expect(gateway.alarms.list()).toMatchObject([{ code: 'source_stuck', source: 'source-1' }])
    world.log.leaderless = () => false
    expect(await world.drained([gateway])).toBe(true)
    await world.clock.pass(300)
    expect(gateway.alarms.list()).toEqual([])
  })

  test('a partition that lost its tail within a session is found and healed, though others go on', async () => {
    const { world, gateway } = await settled()
    const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
    if (!claim) throw new Error('no claim')
    world.log.loseTail(claim, 60)
    gateway.buffer.give('source-1', 10)
    const healed = () => gateway.buffer.outlet('source-1')?.settled === 110
    for (let second = 0; second < 40 && !healed(); second++) {
      gateway.buffer.give('source-2', 5)
      await world.clock.pass(1_000)
    }
    expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 110)).toEqual([])
  })
})

test('a log that lost the tail of a source which has nothing to send is found and healed all the same', async () => {
  const { world, gateway } = await settled()
  const claim = await world.log.claimOf({ gateway: 'gw-1', source: 'source-1' })
  if (!claim) throw new Error('no claim')
  world.log.loseTail(claim, 60)
  await world.clock.pass(ASK_IDLE_END_AFTER_MS + 20_000)
  expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 100)).toEqual([])
  expect(gateway.link.status().sources[0]?.state).toBe('open')
})
