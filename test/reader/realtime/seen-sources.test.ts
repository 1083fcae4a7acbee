import { expect, test } from 'vitest'
import { condition } from '../../../src/analyser/condition.ts'
import type { Claim, Place } from '../../../src/log/log.ts'
import type { AnalyserDefinition } from '../../../src/reader/realtime/definition.ts'
import { END_UNKNOWN, SourcesInLog } from '../../../src/reader/realtime/seen-sources.ts'
import { writeRecords } from '../../support/log-writer.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const definition: AnalyserDefinition = {
  ...{ id: 'p.hot', name: 'hot', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: [] },
  open: condition.open(condition.options.parse({ when: 'temp > 90' })),
}

function world() {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const during = <Result>(work: Promise<Result>) => clock.during(work, 10_000)
  const write = (name: string, count: number) => {
    const records = Array.from({ length: count }, (_, timeMs) => ({ timeMs, value: { temp: 1 } }))
    return during(writeRecords(log, { gateway: 'g', source: name }, 'p', records))
  }
  const unreadable = new Set<string>()
  const ends = async (places: readonly Place[]) =>
    log.ends((places as readonly Claim[]).filter(({ source }) => !unreadable.has(source.source)))
  const sources = new SourcesInLog({ log: { claims: () => log.claims(), ends }, clock, definitions: [definition] })
  const look = async () => {
    const found = await during(sources.look(true))
    if (found) sources.take(found)
    return sources.endsFor(definition)
  }
  return { clock, during, write, unreadable, sources, look }
}

test('one that is new begins where the sources ended at the start; in what came since, at the beginning', async () => {
  const { during, write, sources, look } = world()
  await write('old', 5)
  await during(sources.start(false))
  await write('old', 2)
  await write('late', 3)
  expect(await look()).toEqual({ 'g/old': 5 })
})

test('when the start is over, where they end then; not while a shard that was taken in it waits to be taken up', async () => {
  const { clock, during, write, sources, look } = world()
  await write('old', 5)
  await during(sources.start(false))
  await write('old', 2)
  await clock.pass(61_000)
  await during(sources.start(true))
  expect(await look()).toEqual({ 'g/old': 5 })
  await during(sources.start(false))
  expect(await look()).toEqual({ 'g/old': 7 })
})

test('a source whose end could not be read at the start is none that came since: all that it ever said would be looked at', async () => {
  const { clock, during, write, unreadable, sources, look } = world()
  await write('old', 5)
  unreadable.add('old')
  await during(sources.start(false))
  expect(await look()).toEqual({ 'g/old': END_UNKNOWN })
  unreadable.clear()
  expect(await look()).toEqual({ 'g/old': 5 })
  unreadable.add('old')
  await clock.pass(61_000)
  await during(sources.start(false))
  expect(await look()).toEqual({ 'g/old': 5 })
})
