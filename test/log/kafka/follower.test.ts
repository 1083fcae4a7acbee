import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import type { FetchedPart, FetchResponse } from '../../../src/log/kafka/fetch-api.ts'
import { KafkaFollower } from '../../../src/log/kafka/follower.ts'
import type { Api } from '../../../src/log/kafka/wire.ts'
import { WireReader } from '../../../src/log/kafka/wire.ts'
import type { Place } from '../../../src/log/log.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { cutBatch } from '../../support/batches.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const LIMITS = { maxBytes: 2 ** 20, waitMs: 250 }
const place = (partition: number) => ({ topic: 'plant', partition })
const [FIRST, SECOND, THIRD] = [place(0), place(1), place(2)]

/** What a request says: its session, and of which partitions it speaks from where. */
interface Asked {
  readonly node: number
  /** The connection that it goes by. */
  readonly lane: string
  readonly epoch: number
  readonly from: Record<number, number>
  readonly left: readonly number[]
  answer(parts: readonly Partial<FetchedPart>[], more?: { error?: number }): Promise<void>
  fail(): Promise<void>
}

/** Leaders that answer when the test says so. Partition 0 and 2 are led by broker 1, partition 1 by broker 2, unless it is moved. */
function leaders() {
  const clock = new SimulatedClock()
  const leaderOf = new Map<number, number>([
    [0, 1],
    [1, 2],
    [2, 1],
  ])
  const asked: Asked[] = []
  const closed: string[] = []
  const moved = new Set<() => void>()
  const cluster = {
    leader: ({ partition }: Place) => {
      const node = leaderOf.get(partition)
      return node === undefined ? undefined : { node, epoch: 0, address: `127.0.0.1:${node}` }
    },
    forgetLeader: ({ partition }: Place) => leaderOf.delete(partition),
    refresh: async () => {},
    closeLane: (lane: string) => closed.push(lane),
    onProofsVoid: (call: () => void) => {
      moved.add(call)
      return () => moved.delete(call)
    },
    send: (node: number, _api: Api<never, FetchResponse>, encode: () => readonly Buffer[], _limitMs: number, lane: string) => {
      const { promise, resolve, reject } = Promise.withResolvers<FetchResponse>()
      const settle = async () => {
        for (let turn = 0; turn < 5; turn++) await Promise.resolve()
      }
      asked.push({
        node,
        lane,
        ...readRequest(encode()),
        answer: async (parts, { error = 0 } = {}) => {
          const whole = parts.map(part => ({
            topic: 'plant',
            partition: 0,
            error: 0,
            highWatermark: 0,
            logStart: 0,
            records: null,
            ...part,
          }))
          resolve({ error, sessionId: node, parts: whole })
          await settle()
        },
        fail: async () => {
          reject(new HeadraceError('log_unavailable', `broker ${node} is away`))
          await settle()
        },
      })
      return promise
    },
  } as unknown as KafkaCluster
  return { clock, leaderOf, asked, closed, moved, follower: new KafkaFollower(cluster, clock, '1') }
}

/** By the grammar of Fetch v11. */
function readRequest(pieces: readonly Buffer[]): Pick<Asked, 'epoch' | 'from' | 'left'> {
  const reader = new WireReader(Buffer.concat(pieces))
  reader.raw(4 + 4 + 4 + 4 + 1 + 4)
  const epoch = reader.int32()
  const from: Record<number, number> = {}
  reader.array(() => {
    reader.string()
    reader.array(() => {
      const partition = reader.int32()
      reader.int32()
      from[partition] = reader.int64()
      reader.raw(8 + 4)
    })
  })
  const left = reader.array(() => {
    reader.string()
    return reader.array(() => reader.int32())
  })
  return { epoch, from, left: left.flat() }
}

const batch = (from: number, count: number) => {
  const { bytes } = cutBatch(from, count, { key: 'gw/one', producerId: 1, epoch: 0, epochStart: 0 })
  bytes.writeBigInt64BE(BigInt(from), 0)
  return bytes
}

/** Lets what was begun go on as far as it can without an answer. */
const go = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

test('what one leader has is given at once: the other was waited for as long as a fetch may wait', async () => {
  const { follower, asked } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  follower.follow({ ...SECOND, from: 0 })
  const fetching = follower.fetch(LIMITS)
  await go()
  expect(asked.map(({ node, from }) => ({ node, from }))).toEqual([
    { node: 1, from: { 0: 0 } },
    { node: 2, from: { 1: 0 } },
  ])
  await asked[0]?.answer([{ partition: 0, highWatermark: 3, records: batch(0, 3) }])
  expect(await fetching).toMatchObject([{ ...FIRST, next: 3, batches: [expect.any(Buffer)] }])
  // The other is still asked: only the first is asked again, from behind what it gave.
  const second = follower.fetch(LIMITS)
  await go()
  expect(asked.slice(2)).toMatchObject([{ node: 1, epoch: 1, from: { 0: 3 } }])
  await asked[1]?.answer([{ partition: 1, highWatermark: 1, records: batch(0, 1) }])
  expect(await second).toMatchObject([{ ...SECOND, next: 1 }])
})

test('what one leader gave is not lost when another fails in the same moment, and that one is asked again from where it stood', async () => {
  const { follower, asked, clock } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  follower.follow({ ...SECOND, from: 4 })
  const fetching = follower.fetch(LIMITS)
  await go()
  void asked[1]?.fail()
  await asked[0]?.answer([{ partition: 0, highWatermark: 3, records: batch(0, 3) }])
  expect(await fetching).toMatchObject([{ ...FIRST, next: 3 }])
  await clock.pass(200)
  const second = follower.fetch(LIMITS)
  await go()
  expect(asked.slice(2)).toMatchObject([
    { node: 1, from: { 0: 3 } },
    { node: 2, epoch: 0, from: { 1: 4 } },
  ])
  await asked[3]?.fail()
  await expect(second).rejects.toThrow('broker 2 is away')
})

test('an answer to what was asked before it was to be read from elsewhere is not given', async () => {
  const { follower, asked } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  follower.follow({ ...SECOND, from: 0 })
  follower.follow({ ...THIRD, from: 0 })
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[1]?.answer([])
  expect(await fetching).toEqual([])
  follower.follow({ ...FIRST, from: 2 })
  follower.leave(THIRD)
  const second = follower.fetch(LIMITS)
  await go()
  await asked[0]?.answer([
    { partition: 0, highWatermark: 3, records: batch(0, 3) },
    { partition: 2, highWatermark: 3, records: batch(0, 3) },
  ])
  expect(await second).toEqual([])
  const third = follower.fetch(LIMITS)
  await go()
  expect(asked.at(-1)).toMatchObject({ node: 1, epoch: 1, from: { 0: 2 }, left: [2] })
  await asked.at(-1)?.answer([{ partition: 0, highWatermark: 3, records: batch(2, 1) }])
  expect(await third).toMatchObject([{ ...FIRST, next: 3 }])
})

test('a partition that has another leader now is asked for there, from where it stood', async () => {
  const { follower, asked, leaderOf } = leaders()
  follower.follow({ ...FIRST, from: 5 })
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[0]?.answer([{ partition: 0, error: KAFKA_ERROR.notLeaderOrFollower }])
  expect(await fetching).toEqual([])
  expect(leaderOf.has(0)).toBe(false)
  leaderOf.set(0, 2)
  void follower.fetch(LIMITS).catch(() => {})
  await go()
  expect(asked.at(-1)).toMatchObject({ node: 2, epoch: 0, from: { 0: 5 } })
})

test('a leader that was cut off from its peers answers on as if nothing came any more: once another is known, that one is asked', async () => {
  const { follower, asked, leaderOf, moved } = leaders()
  follower.follow({ ...FIRST, from: 5 })
  follower.follow({ ...THIRD, from: 0 })
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[0]?.answer([])
  expect(await fetching).toEqual([])
  leaderOf.set(0, 2)
  for (const call of moved) call()
  void follower.fetch(LIMITS).catch(() => {})
  await go()
  expect(asked.slice(1)).toMatchObject([
    { node: 1, epoch: 1, from: {}, left: [0] },
    { node: 2, epoch: 0, from: { 0: 5 } },
  ])
})

test('one that may not be read does not keep back others, and is said where there is nothing else', async () => {
  const { follower, asked, clock } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  follower.follow({ ...THIRD, from: 0 })
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[0]?.answer([
    { partition: 0, error: KAFKA_ERROR.topicAuthorizationFailed },
    { partition: 2, highWatermark: 1, records: batch(0, 1) },
  ])
  expect(await fetching).toMatchObject([{ ...THIRD, next: 1 }])
  follower.leave(THIRD)
  await expect(clock.during(follower.fetch(LIMITS), 10_000)).rejects.toThrow('plant[0] cannot be read: Kafka error 29')
})

test('a broker that forgot the session is told all again; one that refuses the whole request is an error, and is not asked without end', async () => {
  const { follower, asked } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[0]?.answer([{ partition: 0, highWatermark: 3, records: batch(0, 3) }])
  await fetching
  const second = follower.fetch(LIMITS)
  await go()
  await asked[1]?.answer([], { error: 70 })
  expect(await second).toEqual([])
  const third = follower.fetch(LIMITS)
  await go()
  expect(asked[2]).toMatchObject({ epoch: 0, from: { 0: 3 } })
  await asked[2]?.answer([], { error: 70 })
  await expect(third).rejects.toThrow('Kafka error 70')
})

test('many partitions of one leader are asked for in sessions of 250, each by a connection of its own: a broker goes over all of a session for each batch that comes', async () => {
  const { follower, asked, closed, leaderOf } = leaders()
  for (let partition = 0; partition < 600; partition++) {
    leaderOf.set(partition, 1)
    follower.follow({ ...place(partition), from: partition })
  }
  const fetching = follower.fetch({ maxBytes: 2 ** 20, waitMs: 250 })
  await go()
  expect(asked.map(({ lane, from }) => [lane, Object.keys(from).length])).toEqual([
    ['follower-1-0', 250],
    ['follower-1-1', 250],
    ['follower-1-2', 100],
  ])
  await asked[1]?.answer([{ partition: 300, highWatermark: 302, records: batch(300, 2) }])
  expect(await fetching).toMatchObject([{ partition: 300, next: 302 }])
  // Only that session is asked again, of what changed in it.
  const second = follower.fetch(LIMITS)
  await go()
  expect(asked.slice(3)).toMatchObject([{ lane: 'follower-1-1', epoch: 1, from: { 300: 302 } }])
  await asked[2]?.fail()
  await expect(second).rejects.toThrow('broker 1 is away')
  follower.close()
  expect(closed.toSorted()).toEqual(['follower-1-0', 'follower-1-1', 'follower-1-2'])
})

test('a session that failed is begun anew with the partitions that it had', async () => {
  const { follower, asked, clock, leaderOf } = leaders()
  for (let partition = 0; partition < 300; partition++) {
    leaderOf.set(partition, 1)
    follower.follow({ ...place(partition), from: 0 })
  }
  const fetching = follower.fetch(LIMITS)
  await go()
  await asked[0]?.fail()
  await expect(fetching).rejects.toThrow('broker 1 is away')
  await clock.pass(100)
  const again = follower.fetch(LIMITS)
  await go()
  // The other session has room for some of them, and says so once it is answered.
  expect(asked.slice(2)).toMatchObject([{ lane: 'follower-1-0', epoch: 0 }])
  await asked[1]?.answer([])
  await again
  const third = follower.fetch(LIMITS)
  await go()
  expect(asked.slice(3)).toMatchObject([{ lane: 'follower-1-1', epoch: 1 }])
  const partitions = [asked[1], asked[2], asked[3]].flatMap(each => Object.keys(each?.from ?? {}))
  expect(new Set(partitions).size).toBe(300)
  await asked[2]?.answer([])
  await third
  follower.close()
})

test('closed, its connections are ended, and it is not asked any more', async () => {
  const { follower, closed, moved } = leaders()
  follower.follow({ ...FIRST, from: 0 })
  void follower.fetch(LIMITS)
  await go()
  follower.close()
  expect(moved.size).toBe(0)
  expect(closed).toEqual(['follower-1-0'])
  await expect(follower.fetch(LIMITS)).rejects.toMatchObject({ code: 'log_unavailable' })
})
