import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { PartitionEnds } from '../../../src/log/kafka/partition-ends.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const PLACE = { topic: 'plant', partition: 3 }
const LEADER = { node: 1, address: '127.0.0.1:9092', epoch: 0 }

/** A broker that answers with these error codes in turn, and then with the ends [10, 42). */
function starting(...errors: number[]) {
  let refreshed = 0
  let led: typeof LEADER | undefined = LEADER
  const part = (offset: number) => [{ ...PLACE, error: errors[0] ?? KAFKA_ERROR.none, offset }]
  const cluster = {
    leader: () => led,
    forgetLeader: () => {
      led = undefined
    },
    refresh: async () => {
      refreshed += 1
      led = LEADER
    },
    generation: () => 1,
    request: async () => part(10),
    send: async () => {
      const latest = part(42)
      errors.shift()
      return latest
    },
  } as unknown as KafkaCluster
  return { ends: new PartitionEnds(cluster, new SimulatedClock()), refreshed: () => refreshed }
}

test('a broker that has just started and does not lead yet is asked again', async () => {
  const { ends, refreshed } = starting(KAFKA_ERROR.notLeaderOrFollower, KAFKA_ERROR.unknownTopicOrPartition)
  expect(await ends.of(PLACE)).toMatchObject({ first: 10, next: 42 })
  expect(refreshed()).toBe(2)
})

test('it is not asked for ever, and the reason is said', async () => {
  const { ends } = starting(...Array.from({ length: 50 }, () => KAFKA_ERROR.notLeaderOrFollower))
  await expect(ends.of(PLACE)).rejects.toThrow('the end of plant[3] could not be read: Kafka error 6')
  expect(await ends.ofAll([PLACE])).toEqual(new Map())
})

test('what no leader will mend is asked once', async () => {
  const { ends, refreshed } = starting(KAFKA_ERROR.topicAuthorizationFailed)
  await expect(ends.of(PLACE)).rejects.toThrow('Kafka error 29')
  expect(refreshed()).toBe(0)
})
