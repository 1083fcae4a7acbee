import { afterEach, describe, expect, test } from 'vitest'
import { KafkaCluster, REQUEST_LIMIT_MS } from '../../../src/log/kafka/cluster.ts'
import { TopicLimits } from '../../../src/log/kafka/topic-limits.ts'
import { addPartitions, ensureTopic } from '../../../src/log/kafka/topics.ts'
import { WireWriter } from '../../../src/log/kafka/wire.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { type Answer, ScriptedBroker } from '../../support/kafka/scripted-broker.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { until } from '../../support/until.ts'

const CREATE_TOPICS = 19
const DESCRIBE_CONFIGS = 32
const CREATE_PARTITIONS = 37

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function clusterWith(answers: Readonly<Record<number, Answer>>) {
  const broker = await ScriptedBroker.start(answers)
  ends.push(() => broker.end())
  const clock = new SimulatedClock()
  const cluster = new KafkaCluster({ brokers: [broker.address], client_id: 'test' }, clock, silentLogger)
  ends.unshift(() => cluster.close())
  return { broker, clock, cluster }
}

/** CreateTopics and CreatePartitions answer alike. */
function verdict(error: number, message: string | null): Answer {
  return () => {
    const out = new WireWriter().int32(0)
    return out.array(['plant'], topic => out.string(topic).int16(error).string(message))
  }
}

test('a broker that never said how large a batch may be kept openings waiting without end', async () => {
  const { broker, clock, cluster } = await clusterWith({ [DESCRIBE_CONFIGS]: () => undefined })
  const limit = new TopicLimits(cluster, clock, silentLogger).of('plant')
  await until('it is asked', () => broker.asked.includes(DESCRIBE_CONFIGS))
  await clock.pass(REQUEST_LIMIT_MS)
  expect(await limit).toBeUndefined()
})

describe('what Kafka refuses, however often it is asked, was told as if Kafka were away', () => {
  test.each([
    [44, 'at most 4 partitions, says the policy', 'create.topic.policy.class.name'],
    [40, 'Invalid value -1 for configuration retention.ms', 'settings'],
    [38, 'Unable to replicate the partition 3 time(s)', '`replication`'],
    [29, null, '`headrace acls'],
    [17, "Topic name is invalid: '..'", '`topic:`'],
  ])('error %i', async (error, message, advice) => {
    const { cluster } = await clusterWith({
      [CREATE_TOPICS]: verdict(error, message),
      [CREATE_PARTITIONS]: verdict(error, message),
    })
    const said = {
      code: 'topic_refused',
      message: expect.stringContaining(`Kafka error ${error}${message ? `: ${message}` : ''}`),
      advice: expect.stringContaining(advice),
    }
    const making = ensureTopic(cluster, { topic: 'plant', partitions: 8, replication: undefined })
    await expect(making).rejects.toMatchObject(said)
    await expect(making).rejects.toThrow('topic plant could not be made with 1 replica')
  })

  test('partitions that may not be added', async () => {
    const { cluster } = await clusterWith({ [CREATE_PARTITIONS]: verdict(44, 'no more, says the policy') })
    await expect(addPartitions(cluster, 'plant', 16)).rejects.toMatchObject({
      code: 'topic_refused',
      message: 'topic plant could not be given more partitions: Kafka error 44: no more, says the policy',
    })
  })

  test('what may pass is not: the controller is another by now', async () => {
    const { cluster } = await clusterWith({ [CREATE_TOPICS]: verdict(41, null) })
    const making = ensureTopic(cluster, { topic: 'plant', partitions: 8, replication: undefined })
    await expect(making).rejects.toMatchObject({ code: 'log_unavailable' })
  })
})
