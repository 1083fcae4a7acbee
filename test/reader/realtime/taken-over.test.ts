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
async function coreThatFinds(alerts: number, { hasSource, deliver }: { hasSource: boolean; deliver: () => Promise<void> }) {
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
  const alarms = new Alarms(clock)
  const runner = new AnalyserRunner({
    ...{ log, clock, random: () => 0, logger: silentLogger, alarms },
    definitions: [definition],
    sinks: new Map([[SINK, { deliver }]]),
    owner: { core: 'core', instance: 'core-0' },
  })
  runner.start()
  return { clock, alarms, stop: () => during(runner.stop()) }
}

async function takeOver(alerts: number, hasSource: boolean): Promise<number> {
  let told = 0
  const deliver = async () => {
    told += 1
  }
  const { clock, stop } = await coreThatFinds(alerts, { hasSource, deliver })
  await clock.passUntil(() => told === alerts, LIMIT_MS)
  await stop()
  return told
}

test('as many alerts on their way as there may be go out after a restart: nothing was read before, and nothing told, for ever', async () => {
  expect(await takeOver(10_000, true)).toBe(10_000)
})

test('an alert on its way goes out after a restart where no source is watched any more', async () => {
  expect(await takeOver(1, false)).toBe(1)
})

test('that nothing is looked at, since as many alerts wait as may, is said for as long as it is so', async () => {
  let isAway = true
  const deliver = async () => {
    if (isAway) throw new Error('it answered 500')
  }
  const { clock, alarms, stop } = await coreThatFinds(10_000, { hasSource: true, deliver })
  const stalled = () => alarms.list().find(({ code }) => code === 'analysers_stalled')
  await clock.passUntil(() => stalled() !== undefined, LIMIT_MS)
  expect(stalled()?.message).toMatch(/^Analysers look at nothing: 10000 alerts/)
  isAway = false
  await clock.passUntil(() => alarms.list().length === 0, LIMIT_MS)
  expect(alarms.list()).toEqual([])
  await stop()
})
