import { expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import { defineAnalyser, driveAnalyser } from '../../src/analyser/define-analyser.ts'
import { KnownFields } from '../../src/reader/realtime/known-fields.ts'
import { AnalyserRunner } from '../../src/reader/realtime/runner.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { writeRecords } from '../support/log-writer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const SOURCE = { gateway: 'plant-a', source: 'boiler' }
const LIMIT_MS = 60_000

test('several sources have a unit together where all that know the field say the same', () => {
  const known = new KnownFields()
  expect(known.unitOf('temp')).toBeUndefined()
  known.know('g/a', { temp: { unit: '°C' } })
  known.know('g/b', {})
  expect(known.unitOf('temp')).toBe('°C')
  known.know('g/c', { temp: { type: 'number' } })
  expect(known.unitOf('temp')).toBeUndefined()
  known.know('g/c', { temp: { unit: '°C' } })
  expect(known.unitOf('temp')).toBe('°C')
  known.know('g/b', { temp: { unit: '°F' } })
  expect(known.unitOf('temp')).toBeUndefined()
})

test('an alert says the units that the registry has, also when they change while it runs', async () => {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const told: unknown[] = []
  const runner = new AnalyserRunner({
    ...{ log, clock, random: () => 0, logger: silentLogger, alarms: new Alarms(clock) },
    definitions: [
      {
        ...{ id: 'p.hot', name: 'hot', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: ['phone'] },
        open: condition.open(condition.options.parse({ when: 'temp > 90 && bar > 1' })),
      },
    ],
    sinks: new Map([['phone', { deliver: async ({ json }) => void told.push(JSON.parse(json)) }]]),
    owner: { core: 'core', instance: 'core-0' },
  })
  const during = <Result>(work: Promise<Result>) => clock.during(work, LIMIT_MS)
  const write = (temp: number) =>
    during(writeRecords(log, SOURCE, 'p', [{ timeMs: Math.floor(clock.wallMs()), value: { temp, bar: 2 } }]))
  await during(log.claim(SOURCE, 'p'))
  await during(log.describe([{ source: SOURCE, fields: { temp: { type: 'number', unit: '°C' }, bar: {} } }]))
  runner.start()
  expect(await clock.passUntil(() => runner.status()[0]?.sources === 1, LIMIT_MS)).toBe(true)
  await write(95)
  expect(await clock.passUntil(() => told.length === 1, LIMIT_MS)).toBe(true)
  expect(told[0]).toMatchObject({
    message: 'temp > 90 && bar > 1 holds for plant-a/boiler: temp = 95 °C, bar = 2',
    values: { temp: 95, bar: 2 },
    units: { temp: '°C' },
  })

  await during(log.describe([{ source: SOURCE, fields: {} }]))
  // Longer than it takes to look at the registry again.
  await clock.pass(5_000)
  await write(20)
  expect(await clock.passUntil(() => told.length === 2, LIMIT_MS)).toBe(true)
  expect(told[1]).toMatchObject({ state: 'cleared', values: { temp: 20, bar: 2 } })
  expect(told[1]).not.toHaveProperty('units')
  await during(runner.stop())
})

test('a module is told what is known of the fields of each record', () => {
  const celsius = defineAnalyser<{ last: number }>({
    initial: () => ({ last: 0 }),
    onRecord({ fields, facts }, state) {
      const temp = Number(fields?.['temp'])
      state.last = facts['temp']?.unit === '°F' ? (temp - 32) / 1.8 : temp
    },
  })
  expect(driveAnalyser(celsius).record(0, { temp: 212 }).state()).toEqual({ last: 212 })
  const facts = { temp: { unit: '°F' } }
  expect(driveAnalyser(celsius, { facts }).record(0, { temp: 212 }).restart().state()).toEqual({ last: 100 })
})
