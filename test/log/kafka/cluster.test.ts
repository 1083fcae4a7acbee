import { afterEach, expect, test } from 'vitest'
import { LATEST, listOffsets } from '../../../src/log/kafka/apis.ts'
import { Appender } from '../../../src/log/kafka/appender.ts'
import { ASK_LIMIT_MS, KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { PartitionEnds } from '../../../src/log/kafka/partition-ends.ts'
import { WireWriter } from '../../../src/log/kafka/wire.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { cutBatch } from '../../support/batches.ts'
import { API_VERSIONS, ScriptedBroker } from '../../support/kafka/scripted-broker.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { until } from '../../support/until.ts'

const LIST_OFFSETS = 2
const PRODUCE = 0
const PLACE = { topic: 'plant', partition: 0 }

function endAtSeven(): WireWriter {
  const out = new WireWriter().int32(0)
  return out.array(['plant'], topic =>
    out.string(topic).array([0], partition => out.int32(partition).int16(0).int64(-1).int64(7).int32(0)),
  )
}

function notEnoughAcks(): WireWriter {
  const out = new WireWriter()
  out.array(['plant'], topic =>
    out.string(topic).array([0], partition => {
      out.int32(partition).int16(KAFKA_ERROR.requestTimedOut).int64(-1).int64(-1).int64(-1)
      out.array([], () => {}).string(null)
    }),
  )
  return out.int32(0)
}

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

test('a connection was forgotten when an attempt that had been given up before it failed at last: another was made beside it', async () => {
  const broker = await ScriptedBroker.start({ [LIST_OFFSETS]: endAtSeven })
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

/** Two brokers, the first of which has lost the others, and still takes itself for the leader. */
async function clusterWithOneCutOff() {
  const cutOff = await ScriptedBroker.start({ [LIST_OFFSETS]: endAtSeven, [PRODUCE]: notEnoughAcks })
  const other = await ScriptedBroker.start({ [LIST_OFFSETS]: endAtSeven })
  for (const broker of [cutOff, other]) {
    ends.push(() => broker.end())
    broker.brokers = [cutOff, other]
  }
  const cluster = new KafkaCluster({ brokers: [cutOff.address], client_id: 'test' }, systemClock, silentLogger)
  ends.unshift(() => cluster.close())
  return { cutOff, other, cluster }
}

test('a broker that was cut off from the others, and reached by the core alone, was believed for good that it leads', async () => {
  const { cutOff, other, cluster } = await clusterWithOneCutOff()
  cutOff.leader = { id: 1, epoch: 1 }
  other.leader = { id: 2, epoch: 2 }
  await cluster.refresh(['plant'])
  const { proof } = await new PartitionEnds(cluster, systemClock).of(PLACE)
  const batch = cutBatch(7, 1, { key: 'g/s', producerId: 1, epoch: 0, epochStart: 0, salt: '' })
  expect(await new Appender(cluster, systemClock).append(PLACE, batch, proof, 'g')).toMatchObject({ outcome: 'unavailable' })
  await until('the other is known to lead', () => cluster.leader(PLACE)?.node === 2)
})

test('a broker that knows less than another did is not believed where that one can be asked, and believed where none can', async () => {
  const { cutOff, other, cluster } = await clusterWithOneCutOff()
  for (const broker of [cutOff, other]) broker.leader = { id: 2, epoch: 2 }
  await cluster.refresh(['plant'])
  cutOff.leader = { id: 1, epoch: 1 }
  await cluster.refresh()
  expect(cluster.leader(PLACE)).toMatchObject({ node: 2, epoch: 2 })
  // As after a cluster was restored from an older copy: all say so.
  other.leader = { id: 1, epoch: 1 }
  await cluster.refresh()
  expect(cluster.leader(PLACE)).toMatchObject({ node: 1, epoch: 1 })
})
