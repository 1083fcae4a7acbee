import { describe, expect, test } from 'vitest'
import { Flight, type InFlight } from '../../src/link/flight.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import type { Fault } from '../support/memory-log.ts'
import { seedOfRun } from '../support/random.ts'
import { CutsAnew, SendsBackwards } from './broken-flights.ts'
import { findings, World } from './world.ts'

const SOURCES = ['source-1', 'source-2', 'source-3']

describe('under faults of every kind', () => {
  const seed = seedOfRun('link under faults')
  const seeds = Array.from({ length: 16 }, (_, index) => seed + index)
  test.each(seeds)('seed %i: nothing lost, nothing twice, nothing out of order', async seed => {
    const world = new World(seed)
    const { random } = world
    const cores = ['core-1', 'core-2']
    for (const core of cores) await world.startIngress(core)
    world.log.fault = () => (random.next() < 0.03 ? random.pick(['lost before', 'lost after', 'corrupt'] as const) : undefined)
    const disks = ['gw-1', 'gw-2'].map(name => ({ name, disk: new MemoryDisk(`instance-${name}`) }))
    let gateways = disks.map(({ name, disk }) => world.startGateway(name, disk, SOURCES))
    const given = new Map<string, number>()
    const faults = {
      cut: () => world.network.cut(),
      'connections of the log lost': () => world.log.voidProofs(),
      'the log goes or comes': () => {
        world.log.away = !world.log.away
      },
      'producers forgotten': async () => {
        world.log.voidProofs()
        for (const claim of await world.log.claims()) world.log.forgetProducers(claim)
      },
      'a core frozen': () => world.network.freeze(random.pick(cores)),
      'cores woken': () => {
        for (const core of cores) world.network.thaw(core)
      },
      'a core killed': async () => {
        const core = random.pick(cores)
        world.network.thaw(core)
        world.killIngress(core)
        await world.clock.pass(random.between(1, 2_000))
        await world.startIngress(core)
      },
      'gateways killed': async () => {
        for (const gateway of gateways) world.killGateway(gateway)
        world.network.cut()
        await world.clock.pass(1)
        gateways = disks.map(({ name, disk }) => world.startGateway(name, disk, SOURCES))
      },
    }
    for (let step = 0; step < 200; step++) {
      for (const { name, buffer } of gateways) {
        const source = random.pick(SOURCES)
        const count = random.between(1, 40)
        buffer.give(source, count)
        given.set(`${name}/${source}`, (given.get(`${name}/${source}`) ?? 0) + count)
      }
      if (random.next() < 0.25) await faults[random.pick(Object.keys(faults) as (keyof typeof faults)[])]()
      await world.clock.pass(random.between(1, 400))
    }
    world.log.away = false
    world.log.fault = () => undefined
    faults['cores woken']()
    expect(await world.drained(gateways, 300_000)).toBe(true)
    for (const { name } of disks) {
      for (const source of SOURCES) {
        expect(findings(await world.values(name, source), source, given.get(`${name}/${source}`) ?? 0)).toEqual([])
      }
    }
    expect(gateways.flatMap(({ alarms }) => alarms.list()).filter(({ code }) => code === 'source_frozen')).toEqual([])
  })
})

describe('negative controls: a link that breaks a rule is caught', () => {
  /** One answer is lost, and the leader knows nothing of the producer; the gates lack their rule, so that order is the link's alone to keep. */
  async function withoutHelp(newFlight: () => InFlight, fault: Fault): Promise<string[]> {
    const world = new World(7)
    world.network.latencyMs = 0
    await world.startIngress('core-1', { standing: () => 'next' })
    const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'], { newFlight })
    let done = false
    world.log.fault = (place, batch) => {
      if (done || batch.sequence !== 20) return undefined
      done = true
      if (fault === 'lost before') world.log.forgetProducers(place)
      return fault
    }
    gateway.buffer.give('source-1', 100)
    await world.clock.pass(20_000)
    return findings(await world.values('gw-1', 'source-1'), 'source-1', 100)
  }

  test.each(['lost before', 'lost after'] as const)('the link that keeps the rules carries it, %s', async fault => {
    expect(await withoutHelp(() => new Flight(), fault)).toEqual([])
  })

  test('one that sends again out of order', async () => {
    expect(await withoutHelp(() => new SendsBackwards(), 'lost before')).not.toEqual([])
  })

  test('one that cuts anew what it sends again', async () => {
    expect(await withoutHelp(() => new CutsAnew(), 'lost after')).not.toEqual([])
  })
})
