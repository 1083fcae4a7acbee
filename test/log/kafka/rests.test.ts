import { afterEach, expect, test } from 'vitest'
import { LATEST, listOffsets } from '../../../src/log/kafka/apis.ts'
import { KafkaCluster, REQUEST_LIMIT_MS } from '../../../src/log/kafka/cluster.ts'
import { WireWriter } from '../../../src/log/kafka/wire.ts'
import { type Logger, silentLogger } from '../../../src/runtime/logger.ts'
import { ScriptedBroker } from '../../support/kafka/scripted-broker.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { until } from '../../support/until.ts'

const LIST_OFFSETS = 2
const PLACE = { topic: 'plant', partition: 0 }
const REST_MS = 4 * REQUEST_LIMIT_MS

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

test('a broker that wants to be left in peace, since a quota is used up, was asked all the same, and then taken for one that does not answer', async () => {
  let rests = false
  const broker = await ScriptedBroker.start({
    // As a broker does: it answers, says for how long, and reads nothing more meanwhile.
    [LIST_OFFSETS]: () => {
      if (rests) return undefined
      rests = true
      const out = new WireWriter().int32(REST_MS)
      return out.array(['plant'], topic =>
        out.string(topic).array([0], partition => out.int32(partition).int16(0).int64(-1).int64(7).int32(0)),
      )
    },
  })
  ends.push(() => broker.end())
  const clock = new SimulatedClock()
  const warned: object[] = []
  const log: Logger = { ...silentLogger, warn: fields => void warned.push(fields) }
  const cluster = new KafkaCluster({ brokers: [broker.address], client_id: 'test' }, clock, log)
  ends.unshift(() => cluster.close())
  await cluster.refresh()
  const ask = () => cluster.request(1, listOffsets, { places: [PLACE], timestamp: LATEST })
  expect(await ask()).toMatchObject([{ offset: 7 }])
  const next = ask()
  next.catch(() => {})
  await clock.pass(REST_MS - 1)
  rests = false
  await clock.pass(1)
  expect(await next).toMatchObject([{ offset: 7 }])
  expect(warned).toEqual([])
})

test('what lies at a broker already when it wants to be left in peace is waited for until it goes on', async () => {
  const held: (() => void)[] = []
  const answer = (restMs: number) => {
    const out = new WireWriter().int32(restMs)
    return out.array(['plant'], topic =>
      out.string(topic).array([0], partition => out.int32(partition).int16(0).int64(-1).int64(7).int32(0)),
    )
  }
  const broker = await ScriptedBroker.start({ [LIST_OFFSETS]: (_body, write) => void held.push(() => write(answer(REST_MS))) })
  ends.push(() => broker.end())
  const clock = new SimulatedClock()
  const cluster = new KafkaCluster({ brokers: [broker.address], client_id: 'test' }, clock, silentLogger)
  ends.unshift(() => cluster.close())
  await cluster.refresh()
  const ask = () => cluster.request(1, listOffsets, { places: [PLACE], timestamp: LATEST })
  const [first, second] = [ask(), ask()]
  second.catch(() => {})
  await until('both are there', () => held.length === 2)
  held[0]?.()
  expect(await first).toMatchObject([{ offset: 7 }])
  await clock.pass(REST_MS)
  held[1]?.()
  expect(await second).toMatchObject([{ offset: 7 }])
})
