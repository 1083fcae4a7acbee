import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { newProducerIds } from '../../../src/log/kafka/producer-ids.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

/** A broker that answers its first requests with these errors, and then with ids from 100 on. */
function broker(...errors: number[]) {
  let id = 100
  let [underWay, mostUnderWay] = [0, 0]
  const clock = new SimulatedClock()
  const cluster = {
    request: async () => {
      underWay += 1
      mostUnderWay = Math.max(mostUnderWay, underWay)
      await clock.pass(1)
      underWay -= 1
      const error = errors.shift() ?? KAFKA_ERROR.none
      return error === KAFKA_ERROR.none ? { error, producerId: id++ } : { error, producerId: -1 }
    },
  } as unknown as KafkaCluster
  const ask = async (count: number) => {
    const asked = newProducerIds({ cluster, clock }, 1, count)
    let isDone = false
    asked
      .catch(() => {})
      .finally(() => {
        isDone = true
      })
    while (!isDone) await clock.pass(100)
    return asked
  }
  return { ask, mostUnderWay: () => mostUnderWay }
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => 100 + index)

test('each id was waited for before the next was asked for: some are asked for at once, and each is another', async () => {
  const { ask, mostUnderWay } = broker()
  expect((await ask(100)).toSorted()).toEqual(ids(100).toSorted())
  expect(mostUnderWay()).toBe(8)
  expect(await ask(0)).toEqual([])
})

test('a broker that has none for a moment is asked again for those that are missing', async () => {
  const { ask } = broker(KAFKA_ERROR.none, KAFKA_ERROR.coordinatorLoading, KAFKA_ERROR.none, KAFKA_ERROR.notCoordinator)
  expect((await ask(10)).toSorted()).toEqual(ids(10).toSorted())
})

test('one that never has any, or refuses, is said', async () => {
  const busy = broker(...Array.from({ length: 1_000 }, () => KAFKA_ERROR.coordinatorLoading))
  await expect(busy.ask(1)).rejects.toThrow('its coordinator does not come up')
  const refusing = broker(KAFKA_ERROR.none, KAFKA_ERROR.clusterAuthorizationFailed)
  await expect(refusing.ask(2)).rejects.toThrow('Kafka gives no producer id: error 31')
})
