import { afterEach, expect, test } from 'vitest'
import { LATEST, listOffsets } from '../../../src/log/kafka/apis.ts'
import { ASK_LIMIT_MS, KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { WireWriter } from '../../../src/log/kafka/wire.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { API_VERSIONS, ScriptedBroker } from '../../support/kafka/scripted-broker.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { until } from '../../support/until.ts'

const LIST_OFFSETS = 2
const PLACE = { topic: 'plant', partition: 0 }

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

test('a connection was forgotten when an attempt that had been given up before it failed at last: another was made beside it', async () => {
  const broker = await ScriptedBroker.start({
    [LIST_OFFSETS]: () => {
      const out = new WireWriter().int32(0)
      return out.array(['plant'], topic =>
        out.string(topic).array([0], partition => out.int32(partition).int16(0).int64(-1).int64(7).int32(0)),
      )
    },
  })
  ends.push(() => broker.end())
  const clock = new SimulatedClock()
  const cluster = new KafkaCluster({ brokers: [broker.address], client_id: 'test' }, clock, silentLogger)
  ends.unshift(() => cluster.close())
  const ask = () => cluster.ask(listOffsets, { places: [PLACE], timestamp: LATEST })
  broker.isFrozen = true
  const asked = ask().catch(() => {
    broker.isFrozen = false
    return ask()
  })
  await until('it is asked', () => broker.asked.includes(API_VERSIONS))
  await clock.pass(ASK_LIMIT_MS)
  expect(await asked).toMatchObject([{ offset: 7 }])
  expect(await ask()).toMatchObject([{ offset: 7 }])
  expect(broker.connections).toBe(2)
})
