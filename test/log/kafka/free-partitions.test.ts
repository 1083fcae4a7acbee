import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { FreePartitions } from '../../../src/log/kafka/free-partitions.ts'
import type { Place } from '../../../src/log/log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

/** A broker that has made the partitions of a topic one after another by the time it is asked for the `ready`th time. */
function making({
  partitions,
  ready = 0,
  data = -1,
  refused = -1,
}: Record<'partitions', number> & Partial<Record<'ready' | 'data' | 'refused', number>>) {
  const asked: number[] = []
  let forgotten = 0
  const clock = new SimulatedClock()
  const added: number[] = []
  let count = partitions
  const cluster = {
    leader: () => ({ node: 1 }),
    forgetLeader: (...places: readonly Place[]) => {
      forgotten += places.length
    },
    refresh: async () => {},
    describe: async () => ({ topics: [{ partitions: Array.from({ length: count }) }] }),
    askController: async (_api: unknown, wanted: { count: number }) => {
      added.push(wanted.count)
      count = wanted.count
      return { error: KAFKA_ERROR.none, message: null }
    },
    request: async (_node: number, _api: unknown, { places }: { places: readonly Place[] }) => {
      asked.push(places.length)
      const error = asked.length < ready ? KAFKA_ERROR.notLeaderOrFollower : KAFKA_ERROR.none
      const of = ({ partition }: Place) => (partition === refused ? KAFKA_ERROR.topicAuthorizationFailed : error)
      return places.map(place => ({ ...place, error: of(place), offset: place.partition === data ? 5 : 0, leaderEpoch: 0 }))
    },
  } as unknown as KafkaCluster
  return { free: new FreePartitions(cluster, clock), clock, asked, added, forgotten: () => forgotten }
}

/** Lets time pass until it is done. */
async function done<T>(clock: SimulatedClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const ended = work.finally(() => {
    isDone = true
  })
  ended.catch(() => {})
  while (!isDone) await clock.pass(100)
  return ended
}

const isTaken = (_topic: string, partition: number) => partition % 2 === 0

test('the lowest that nobody has are given, and as many are made as are missing, at once', async () => {
  const { free, clock, added } = making({ partitions: 8 })
  expect(await done(clock, free.find('plant', 4, isTaken))).toEqual([1, 3, 5, 7])
  expect(added).toEqual([])
  expect(
    (
      await done(
        clock,
        free.find('plant', 250, () => false),
      )
    ).length,
  ).toBe(250)
  expect(added).toEqual([256])
})

test('a broker that was making partitions was asked about each of them ten times a second: it is asked about a few until it has come to those', async () => {
  const { free, clock, asked, forgotten } = making({ partitions: 1_000, ready: 6 })
  expect(
    (
      await done(
        clock,
        free.find('plant', 1_000, () => false),
      )
    ).length,
  ).toBe(1_000)
  expect(asked).toEqual([8, 8, 8, 8, 8, 8, 64, 512, 416])
  expect(forgotten()).toBe(0)
})

test('where it never leads them, the leader is asked for anew, and in the end it is said', async () => {
  const { free, clock, asked, forgotten } = making({ partitions: 10, ready: Number.POSITIVE_INFINITY })
  await expect(done(clock, free.endOf({ topic: 'plant', partition: 3 }))).rejects.toThrow(
    'plant[3] could not be read: Kafka error 6',
  )
  expect(asked.length).toBe(100)
  expect(forgotten()).toBe(10)
})

test('data that nobody claims is somebody else’s, wherever it lies', async () => {
  const { free, clock } = making({ partitions: 500, data: 499 })
  await expect(
    done(
      clock,
      free.find('plant', 500, () => false),
    ),
  ).rejects.toMatchObject({
    code: 'topic_refused',
    message: expect.stringContaining('partition 499 has 5 records'),
  })
})

test('what may not be asked is said at once', async () => {
  const { free, clock, asked } = making({ partitions: 8, refused: 2 })
  await expect(
    done(
      clock,
      free.find('plant', 8, () => false),
    ),
  ).rejects.toThrow('Kafka error 29')
  expect(asked.length).toBe(1)
})
