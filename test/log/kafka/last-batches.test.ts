import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import type { FetchRequest } from '../../../src/log/kafka/fetch-api.ts'
import { LastBatches } from '../../../src/log/kafka/last-batches.ts'
import type { PartitionEnds } from '../../../src/log/kafka/partition-ends.ts'
import type { Place } from '../../../src/log/log.ts'
import { AT, readBatchHeader } from '../../../src/record/batch-header.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { cutBatch } from '../../support/batches.ts'
import { LEADER } from './one-leader.ts'

const PLACES: Place[] = Array.from({ length: 2_500 }, (_, partition) => ({ topic: `plant-${partition % 3}`, partition }))
const END = 10
const LAST = lastBatch()
const NOTHING = Buffer.alloc(0)

/** One of 10 kB that ends there. */
function lastBatch(): Buffer {
  const { bytes } = cutBatch(END - 1, 1, { salt: 'x'.repeat(10_000) })
  bytes.writeBigInt64BE(BigInt(END - 1), AT.baseOffset)
  return bytes
}

/** Leaders that answer a fetch as Kafka does: the first partition that has something gives a whole batch, the others as far as the bytes go. */
function brokers({
  leaderOf = (_: Place): number | undefined => 1,
  errorOf = (_: Place): number => KAFKA_ERROR.none,
  toldEnd = END,
} = {}) {
  const asked: number[] = []
  const forgotten: Place[] = []
  const away = new Set<number>()
  const cluster = {
    leader: (place: Place) => {
      const node = leaderOf(place)
      return node === undefined ? undefined : { ...LEADER, node }
    },
    forgetLeader: (place: Place) => forgotten.push({ topic: place.topic, partition: place.partition }),
    request: async (node: number, _api: unknown, { parts, maxBytes }: FetchRequest) => {
      asked.push(parts.length)
      if (away.has(node)) throw new HeadraceError('log_unavailable', `broker ${node}: no answer`)
      let left = maxBytes
      const answers = parts.map(({ topic, partition, from }) => {
        const error = errorOf({ topic, partition })
        const bytes = error === KAFKA_ERROR.none && from < END ? LAST : NOTHING
        const isGiven = bytes.length <= left || left === maxBytes
        if (isGiven) left -= bytes.length
        return { topic, partition, error, highWatermark: END, logStart: 0, records: isGiven ? bytes : NOTHING }
      })
      return { error: 0, sessionId: 0, parts: answers }
    },
  } as unknown as KafkaCluster
  const ends = {
    ofAll: async (places: readonly Place[]) =>
      new Map(places.map(place => [place, { first: 0, next: place.partition === 7 ? 0 : toldEnd }])),
  } as unknown as PartitionEnds
  return { lasts: new LastBatches(cluster, ends), asked, forgotten, away }
}

const sequenceOf = (batch: Buffer) => readBatchHeader(batch).baseOffset

test('the last batch of each source of an opening was three requests: of thousands it is a few, each within its bytes', async () => {
  const { lasts, asked } = brokers()
  const found = await lasts.ofAll(PLACES, sequenceOf)
  expect(found.size).toBe(PLACES.length)
  for (const place of PLACES) expect(found.get(place)).toBe(place.partition === 7 ? undefined : END - 1)
  // 25 MB of batches, four at a time.
  expect(asked.length).toBeLessThan(10)
  expect(Math.max(...asked)).toBe(1_000)
})

test('a partition that may not be read, or has moved, keeps no other from being read', async () => {
  const errorOf = ({ partition }: Place) => {
    if (partition % 5 === 0) return KAFKA_ERROR.topicAuthorizationFailed
    return partition % 5 === 1 ? KAFKA_ERROR.notLeaderOrFollower : KAFKA_ERROR.none
  }
  const { lasts, forgotten } = brokers({ errorOf })
  const found = await lasts.ofAll(PLACES, sequenceOf)
  // Number 7 is empty, and nobody has to look there.
  expect(found.size).toBe((PLACES.length * 3) / 5)
  expect(forgotten.length).toBe(PLACES.length / 5)
  await expect(lasts.of(PLACES[0] as Place, sequenceOf)).rejects.toMatchObject({ code: 'log_unavailable' })
})

test('one broker that does not answer keeps nothing of the others back; where none does, that is said', async () => {
  const { lasts, away } = brokers({ leaderOf: ({ partition }) => [1, 2, undefined][partition % 3] })
  away.add(2)
  expect((await lasts.ofAll(PLACES, sequenceOf)).size).toBe(
    PLACES.filter(({ partition }) => partition % 3 === 0 || partition === 7).length,
  )
  away.add(1)
  await expect(lasts.ofAll(PLACES.slice(0, 2), sequenceOf)).rejects.toThrow('no answer')
})

test('what was cut back meanwhile is not asked for without end', async () => {
  const { lasts, asked } = brokers({ toldEnd: END + 5 })
  expect((await lasts.ofAll(PLACES.slice(0, 10), sequenceOf)).size).toBe(1)
  expect(asked.length).toBe(3)
})
