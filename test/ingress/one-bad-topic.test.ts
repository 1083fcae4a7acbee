import { expect, test } from 'vitest'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { findings, World } from '../link/world.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'

const away = () => Promise.reject(new HeadraceError('log_unavailable', 'topic topic-2 could not be made'))

/** A gateway with a source in each of two topics. */
async function twoTopics() {
  const world = new World(11)
  await world.startIngress()
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'])
  gateway.buffer.addSource('source-2', 'topic-2')
  gateway.buffer.give('source-1', 50)
  gateway.buffer.give('source-2', 50)
  return { world, gateway }
}

test('a topic that cannot be made, or asked, kept all sources of its gateway from the log: the others go on, and it once it can', async () => {
  const { world, gateway } = await twoTopics()
  const { log } = world
  const claim = log.claim.bind(log)
  log.claim = (source, topic) => (topic === 'topic-2' ? away() : claim(source, topic))
  await world.clock.pass(20_000)
  expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 50)).toEqual([])
  log.claim = claim
  await world.clock.pass(60_000)
  expect(await world.drained([gateway])).toBe(true)
  expect(findings(await world.values('gw-1', 'source-2'), 'source-2', 50)).toEqual([])
})

test('a partition whose last batch cannot be read kept all sources of its gateway from the log', async () => {
  const { world, gateway } = await twoTopics()
  const { log } = world
  expect(await world.drained([gateway])).toBe(true)
  const lastBatches = log.lastBatches.bind(log)
  log.lastBatches = (places, look) =>
    lastBatches(
      places.filter(({ topic }) => topic !== 'topic-2'),
      look,
    )
  world.network.cut()
  gateway.buffer.give('source-1', 50)
  await world.clock.pass(20_000)
  expect(findings(await world.values('gw-1', 'source-1'), 'source-1', 100)).toEqual([])
})
