import { expect, test } from 'vitest'
import { OPENINGS_ADMITTED } from '../../src/ingress/openings.ts'
import { TokenBucket } from '../../src/runtime/token-bucket.ts'
import { World } from '../link/world.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const GATEWAYS = 90
const SECOND_MS = 1_000

test('a burst is let in, and then so many a second; a quiet time makes room for the next burst and for no more', async () => {
  const clock = new SimulatedClock()
  const admission = new TokenBucket({ perSecond: 10, burst: 3 }, clock)
  const admitted = async (ms: number) => {
    let count = 0
    for (let at = 0; at < ms; at += 10) {
      for (; admission.inMs(1) === 0; count++) admission.spend(1)
      await clock.pass(10)
    }
    return count
  }
  expect(await admitted(10)).toBe(3)
  const inTwoSeconds = await admitted(2_000)
  expect(inTwoSeconds).toBeGreaterThan(17)
  expect(inTwoSeconds).toBeLessThanOrEqual(20)
  await clock.pass(60_000)
  expect(await admitted(10)).toBe(3)
})

/** A fleet before one ingress that is away for a minute: how many dialled in the fullest second of its return, and opened in each. */
async function comeBack(random: () => number) {
  const world = new World(11)
  await world.startIngress()
  let dials = 0
  const connect = () => {
    dials += 1
    return world.network.dial('core-1')
  }
  for (let number = 0; number < GATEWAYS; number++) {
    const name = `gw-${number}`
    const { buffer } = world.startGateway(name, new MemoryDisk(`instance-of-${name}`), ['source-1'], { random, connect })
    buffer.give('source-1', 1)
  }
  const isIn = () => world.ingresses.get('core-1')?.status().gateways.length === GATEWAYS
  expect(await world.clock.passUntil(isIn, 60_000)).toBe(true)
  world.killIngress()
  await world.clock.pass(60_000)
  await world.startIngress()
  const perSecond: { dialled: number; opened: number }[] = []
  let opened = 0
  for (let second = 0; second < 60 && !isIn(); second++) {
    dials = 0
    await world.clock.pass(SECOND_MS)
    const now = world.ingresses.get('core-1')?.status().gateways.length ?? 0
    perSecond.push({ dialled: dials, opened: now - opened })
    opened = now
  }
  expect(opened).toBe(GATEWAYS)
  const most = (what: 'dialled' | 'opened') => Math.max(...perSecond.map(each => each[what]))
  return { dialled: most('dialled'), opened: most('opened') }
}

test('a fleet that comes back after an outage comes in spread over seconds, by its own jitter', async () => {
  let seed = 1
  const { dialled, opened } = await comeBack(() => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed / 2_147_483_647
  })
  expect(dialled).toBeLessThan(GATEWAYS / 2)
  expect(opened).toBeLessThanOrEqual(OPENINGS_ADMITTED.perSecond + OPENINGS_ADMITTED.burst)
})

test('one without jitter comes in one moment, and is admitted at a bounded rate all the same', async () => {
  const { dialled, opened } = await comeBack(() => 0)
  expect(dialled).toBe(GATEWAYS)
  expect(opened).toBeLessThanOrEqual(OPENINGS_ADMITTED.perSecond + OPENINGS_ADMITTED.burst)
})
