import { expect, test } from 'vitest'
import { condition } from '../../../src/analyser/condition.ts'
import { SHARDS } from '../../../src/reader/realtime/definition.ts'
import { AnalyserRunner } from '../../../src/reader/realtime/runner.ts'
import { readBatchHeader } from '../../../src/record/batch-header.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { writeRecords } from '../../support/log-writer.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SeededRandom } from '../../support/random.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const SOURCE = { gateway: 'plant-a', source: 'boiler' }
const LIMIT_MS = 120_000
const BATCHES = 30
/** As a gateway cuts them. */
const RECORDS = 2_000
/** What a broker takes. */
const MESSAGE_BYTES_MAX = 1_000_000

test('a derived stream goes on through a backlog: what was said of one fetch was more than a message takes, and nothing was kept any more', async () => {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const random = new SeededRandom(1)
  log.fault = (_place, { bytes }) => (bytes.length > MESSAGE_BYTES_MAX ? 'too_large' : undefined)
  const alarms = new Alarms(clock)
  const runner = new AnalyserRunner({
    ...{ log, clock, random: () => 0, logger: silentLogger, alarms },
    definitions: [
      {
        ...{ id: 'p.each', name: 'each', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: [] },
        open: condition.open(
          condition.options.parse({ values: { t: 'temp * 1.8', u: 'volts + 1.0', v: 'temp / 3.0', w: 'volts * 7.0' } }),
        ),
        stream: { source: 'each', topic: 'p-each', fieldsOf: () => ({}) },
      },
    ],
    sinks: new Map(),
    owner: { core: 'core', instance: 'core-0' },
  })
  const during = <Result>(work: Promise<Result>) => clock.during(work, LIMIT_MS)
  runner.start()
  expect(await clock.passUntil(() => runner.shards.length === SHARDS, LIMIT_MS)).toBe(true)
  // All of it is there before the source is found.
  const startMs = Math.floor(clock.wallMs()) - BATCHES * RECORDS
  const writes = Array.from({ length: BATCHES }, (_, batch) => batch)
  const write = async () => {
    for (const batch of writes)
      await writeRecords(
        log,
        SOURCE,
        'p',
        Array.from({ length: RECORDS }, (_, at) => ({
          timeMs: startMs + batch * RECORDS + at,
          value: { temp: random.next() * 100, volts: random.next() },
        })),
      )
  }
  await during(write())
  let written = 0
  log.onStored = ({ topic }, bytes, offset) => {
    if (topic === 'p-each') written = offset + readBatchHeader(bytes).lastOffsetDelta + 1
  }
  await clock.passUntil(() => alarms.list().length > 0 || written === BATCHES * RECORDS, LIMIT_MS)
  expect(alarms.list()).toEqual([])
  expect(written).toBe(BATCHES * RECORDS)
  await during(runner.stop())
})
