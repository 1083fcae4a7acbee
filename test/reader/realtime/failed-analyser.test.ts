import { expect, test } from 'vitest'
import { type AnalyserModule, defineAnalyser } from '../../../src/analyser/define-analyser.ts'
import { openModule } from '../../../src/analyser/module.ts'
import { AnalyserRunner } from '../../../src/reader/realtime/runner.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { writeRecords } from '../../support/log-writer.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const SOURCE = { gateway: 'plant-a', source: 'boiler' }
const LIMIT_MS = 60_000

test('the alarm of an analyser that failed goes with it when a changed pipeline takes it away: it stayed on a core', async () => {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const alarms = new Alarms(clock)
  const throwing = defineAnalyser({
    initial: () => ({}),
    onRecord() {
      throw new Error('no such field')
    },
  })
  const runner = new AnalyserRunner({
    ...{ log, clock, random: () => 0, logger: silentLogger, alarms },
    definitions: [
      {
        ...{ id: 'p.throws', name: 'throws', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: [] },
        open: openModule(throwing as AnalyserModule),
      },
    ],
    sinks: new Map(),
    owner: { core: 'core', instance: 'core-0' },
  })
  const during = <Result>(work: Promise<Result>) => clock.during(work, LIMIT_MS)
  await during(log.claim(SOURCE, 'p'))
  runner.start()
  expect(await clock.passUntil(() => runner.status()[0]?.sources === 1, LIMIT_MS)).toBe(true)
  await during(writeRecords(log, SOURCE, 'p', [{ timeMs: Math.floor(clock.wallMs()), value: { temp: 20 } }]))
  expect(await clock.passUntil(() => alarms.list().length > 0, LIMIT_MS)).toBe(true)
  expect(alarms.list()).toMatchObject([{ code: 'analyser_failed', source: 'p.throws plant-a/boiler' }])
  await during(runner.stop())
  expect(alarms.list()).toEqual([])
})
