import { expect, test } from 'vitest'
import { listOffsets } from '../../../src/log/kafka/apis.ts'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import type { FetchPart } from '../../../src/log/kafka/fetch-api.ts'
import { Fetcher } from '../../../src/log/kafka/fetcher.ts'

const LEADER = { node: 1, address: '127.0.0.1:9092', epoch: 0 }
const LIMITS = { maxBytes: 1_000, waitMs: 0 }
const [FIRST, SECOND] = [
  { topic: 'plant', partition: 0, from: 0 },
  { topic: 'plant', partition: 1, from: 0 },
] as const

/** A broker that answers with these error codes, by partition; what leader was forgotten is told. */
function brokerWith(...errors: number[]) {
  const forgotten: number[] = []
  const cluster = {
    leader: () => LEADER,
    forgetLeader: ({ partition }: { partition: number }) => forgotten.push(partition),
    request: async (_node: number, _api: unknown, { parts }: { parts: readonly FetchPart[] }) => ({
      ...{ error: KAFKA_ERROR.none, sessionId: 0 },
      parts: parts.map(({ topic, partition }) => ({
        ...{ topic, partition, error: errors[partition] ?? KAFKA_ERROR.none },
        ...{ highWatermark: 7, logStart: 0, records: null },
      })),
    }),
  } as unknown as KafkaCluster
  return { fetcher: new Fetcher(cluster), forgotten }
}

test('a partition that may not be read was waited for without end, as if its leader were away: it is said, and no proof is void for it', async () => {
  const { fetcher, forgotten } = brokerWith(KAFKA_ERROR.topicAuthorizationFailed)
  await expect(fetcher.fetch([FIRST], LIMITS)).rejects.toThrow('plant[0] cannot be read: Kafka error 29')
  expect(forgotten).toEqual([])
})

test('others go on beside one that may not be read', async () => {
  const { fetcher } = brokerWith(KAFKA_ERROR.topicAuthorizationFailed, KAFKA_ERROR.none)
  expect(await fetcher.fetch([FIRST, SECOND], LIMITS)).toMatchObject([{ partition: 1, next: 7 }])
})

test('a leader that moved is asked for anew', async () => {
  const { fetcher, forgotten } = brokerWith(KAFKA_ERROR.notLeaderOrFollower)
  expect(await fetcher.fetch([FIRST], LIMITS)).toEqual([])
  expect(forgotten).toEqual([0])
})

test('a partition whose bounds could not be told was told to be empty: readers stopped for good where its leader had only moved in that moment', async () => {
  const forgotten: number[] = []
  const cluster = {
    leader: () => LEADER,
    forgetLeader: ({ partition }: { partition: number }) => forgotten.push(partition),
    request: async (_node: number, api: unknown) => {
      const place = { topic: 'plant', partition: 0 }
      if (api === listOffsets) return [{ ...place, error: KAFKA_ERROR.notLeaderOrFollower, offset: -1, leaderEpoch: -1 }]
      const part = { ...place, error: KAFKA_ERROR.offsetOutOfRange, highWatermark: -1, logStart: -1, records: null }
      return { error: KAFKA_ERROR.none, sessionId: 0, parts: [part] }
    },
  } as unknown as KafkaCluster
  expect(await new Fetcher(cluster).fetch([FIRST], LIMITS)).toEqual([])
  expect(forgotten).toEqual([0])
})
