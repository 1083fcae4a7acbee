import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { PartitionEnds } from '../../../src/log/kafka/partition-ends.ts'
import { WireReader } from '../../../src/log/kafka/wire.ts'
import type { Place } from '../../../src/log/log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { ONE_LEADER } from './one-leader.ts'

const LATEST_OF = 1_000

/** The partitions of a ListOffsets request, from its bytes. */
function placesIn(body: readonly Buffer[]): Place[] {
  const request = new WireReader(Buffer.concat(body))
  request.int32()
  request.int8()
  const topics = request.array(() => {
    const topic = request.string() ?? ''
    return request.array(() => {
      const place = { topic, partition: request.int32() }
      request.int32()
      request.int64()
      return place
    })
  })
  return topics.flat()
}

/** A leader of everything: it notes the requests for begins and ends, and answers when it is told to. */
function leader() {
  const asked = { begins: [] as number[], ends: [] as number[] }
  const open: PromiseWithResolvers<void>[] = []
  const answer = async (places: readonly Place[], offsetOf: (place: Place) => number) => {
    const may = Promise.withResolvers<void>()
    open.push(may)
    await may.promise
    return places.map(place => ({ ...place, error: 0, offset: offsetOf(place), leaderEpoch: 0 }))
  }
  const cluster = {
    ...ONE_LEADER,
    request: (_node: number, _api: unknown, { places }: { places: readonly Place[] }) => {
      asked.begins.push(places.length)
      return answer(places, () => 0)
    },
    send: (_node: number, _api: unknown, encode: () => readonly Buffer[]) => {
      const places = placesIn(encode())
      asked.ends.push(places.length)
      return answer(places, ({ partition }) => LATEST_OF + partition)
    },
  } as unknown as KafkaCluster
  /** Waits for a request, and settles all that are open. */
  const settle = async (how: (each: PromiseWithResolvers<void>) => void) => {
    while (open.length === 0) await new Promise(resolve => setImmediate(resolve))
    for (const each of open.splice(0)) how(each)
  }
  return {
    ends: new PartitionEnds(cluster, new SimulatedClock()),
    asked,
    answers: () => settle(each => each.resolve()),
    fails: () => settle(each => each.reject(new Error('no answer'))),
  }
}

const places = (count: number, from = 0): Place[] =>
  Array.from({ length: count }, (_, index) => ({ topic: `plant-${index % 3}`, partition: from + index }))

test('each partition whose proof had run out was asked for with two requests of its own: ten thousand silent sources kept the broker from everything else', async () => {
  const { ends, asked, answers } = leader()
  const first = places(300).map(place => ends.of(place))
  await answers()
  expect((await Promise.all(first)).map(({ next }) => next)).toEqual(places(300).map(({ partition }) => LATEST_OF + partition))
  expect(asked).toEqual({ begins: [300], ends: [300] })
})

test('those that are asked for while a request is under way go with the next one', async () => {
  const { ends, asked, answers } = leader()
  const first = ends.of({ topic: 'plant', partition: 0 })
  while (asked.ends.length === 0) await new Promise(resolve => setImmediate(resolve))
  const later = places(20, 1).map(place => ends.of(place))
  await answers()
  await first
  await answers()
  await Promise.all(later)
  expect(asked.ends).toEqual([1, 20])
})

test('one that two ask for is named once, as a broker wants it, and each gets a proof of its own', async () => {
  const { ends, asked, answers } = leader()
  const both = [ends.of({ topic: 'plant', partition: 7 }), ends.of({ topic: 'plant', partition: 7 })]
  await answers()
  const [one, other] = await Promise.all(both)
  expect(asked.ends).toEqual([1])
  expect(one?.next).toBe(other?.next)
  expect(one?.proof).not.toBe(other?.proof)
})

test('no request names more than a thousand', async () => {
  const { ends, asked, answers } = leader()
  const all = ends.ofAll(places(2_500))
  for (let request = 0; request < 3; request++) await answers()
  expect((await all).size).toBe(2_500)
  expect(asked).toEqual({ begins: [1_000, 1_000, 500], ends: [1_000, 1_000, 500] })
})

test('where the broker does not answer, none that waits for it waits for another limit', async () => {
  const { ends, asked, fails, answers } = leader()
  const first = ends.of({ topic: 'plant', partition: 0 })
  while (asked.ends.length === 0) await new Promise(resolve => setImmediate(resolve))
  const later = ends.of({ topic: 'plant', partition: 1 })
  const both = Promise.allSettled([first, later])
  await fails()
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const again = ends.of({ topic: 'plant', partition: 1 })
  await answers()
  expect(await again).toMatchObject({ next: LATEST_OF + 1 })
})
