import { expect, test } from 'vitest'
import { DEAD_LETTER_TOPIC } from '../../src/ingress/dead-letters.ts'
import { findings, World } from '../link/world.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'

/** More sources than letters are put in an hour. */
const SOURCES = Array.from({ length: 24 }, (_, index) => `source-${index}`)

test('batches that were held back, since too many were refused, went to the dead letters hours later, though the log took them again by then', async () => {
  const world = new World(9)
  await world.startIngress()
  const { log, clock, coreAlarms } = world
  // Somebody lowers the limit of the topic; placeholders are small.
  log.fault = ({ topic }, { bytes }) => (topic === 'topic-1' && !bytes.includes('dead_letter') ? 'too_large' : undefined)
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
  for (const source of SOURCES) gateway.buffer.give(source, 10)
  await clock.pass(5 * 60_000)
  const letters = () => log.records({ topic: DEAD_LETTER_TOPIC, partition: 0 }).length
  const isHeld = () => coreAlarms.list().some(({ code }) => code === 'dead_letters_held')
  expect([letters(), isHeld()]).toEqual([20, true])
  // And sets it right.
  log.fault = () => undefined
  await clock.pass(2 * 60_000)
  expect(await world.drained([gateway])).toBe(true)
  expect([letters(), isHeld()]).toEqual([20, false])
  const whole = await Promise.all(SOURCES.map(async source => findings(await world.values('gw-1', source), source, 10)))
  expect(whole.filter(found => found.length === 0)).toHaveLength(SOURCES.length - 20)
})
