import { expect, test } from 'vitest'
import { condition } from '../../../src/analyser/condition.ts'
import type { AnalyserDefinition } from '../../../src/reader/realtime/definition.ts'
import { shardOfWatch } from '../../../src/reader/realtime/definition.ts'
import { AnalyserRunner } from '../../../src/reader/realtime/runner.ts'
import { ShardLog, shardSource } from '../../../src/reader/realtime/shard-log.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const SOURCE = { gateway: 'plant-a', source: 'boiler' }
const LIMIT_MS = 60_000
const SINK = 'p.hot webhook'

const definition: AnalyserDefinition = {
  ...{ id: 'p.hot', name: 'hot', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: [SINK] },
  open: condition.open(condition.options.parse({ when: 'temp > 90' })),
}

/** A core that finds alerts on their way which another one kept, with the sources that there are. */
async function takeOver(alerts: number, hasSource: boolean): Promise<number> {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const during = <Result>(work: Promise<Result>) => clock.during(work, LIMIT_MS)
  if (hasSource) await during(log.claim(SOURCE, 'p'))
  const before = { core: 'before', instance: 'before-0' }
  const kept = async () => {
    const shard = await ShardLog.takeOver({ log, clock }, shardSource(shardOfWatch(definition, SOURCE)), before)
    const pending = Array.from({ length: alerts }, (_, number) => {
      return { number, sink: SINK, alert: { key: `${number}`, analyser: 'hot', json: '{}', timeMs: 0 } }
    })
    await shard.append([
      { kind: 'pending', nextAlert: alerts, alerts: pending },
      { kind: 'owner', ...before, released: true },
    ])
  }
  await during(kept())
  let told = 0
  const deliver = async () => {
    told += 1
  }
  const runner = new AnalyserRunner({
    ...{ log, clock, random: () => 0, logger: silentLogger, alarms: new Alarms(clock) },
    definitions: [definition],
    sinks: new Map([[SINK, { deliver }]]),
    owner: { core: 'core', instance: 'core-0' },
  })
  runner.start()
  await clock.passUntil(() => told === alerts, LIMIT_MS)
  await during(runner.stop())
  return told
}

test('as many alerts on their way as there may be go out after a restart: nothing was read before, and nothing told, for ever', async () => {
  expect(await takeOver(10_000, true)).toBe(10_000)
})

test('an alert on its way goes out after a restart where no source is watched any more', async () => {
  expect(await takeOver(1, false)).toBe(1)
})
