import { afterEach, beforeEach, describe, test } from 'vitest'
import type { HeadraceProcess } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { SHARDS, TEST_LIMIT_MS, Works } from './analyser-works.ts'

describe('two cores on one Kafka', () => {
  let kafka: KafkaCluster
  let works: Works
  beforeEach(async () => {
    kafka = await KafkaCluster.start()
  })
  afterEach(async () => {
    await works?.end()
    await kafka?.stop()
  })

  test(
    'share the sources; when one is killed the other goes on with its windows, and gives it its share when it is back',
    async () => {
      const seed = seedOfRun('analysers on two cores')
      works = await Works.onKafka(kafka, seed)
      const random = new SeededRandom(seed)
      for (const core of works.cores.values()) core.start()
      await works.shared(SHARDS / 2 - 1)
      for (const victim of ['core-a', 'core-b']) {
        const core = works.cores.get(victim) as HeadraceProcess
        for (let chunk = 0; chunk < 4; chunk++) await works.write(random.between(3, 17))
        await core.kill9()
        for (let chunk = 0; chunk < 4; chunk++) await works.write(random.between(3, 17))
        await works.verify()
        core.start()
        await works.shared(SHARDS / 2 - 1)
      }
      await works.write(25)
      await works.verify()
    },
    TEST_LIMIT_MS,
  )

  test(
    'a core that was frozen and taken over from writes nothing when it wakes',
    async () => {
      works = await Works.onKafka(kafka, seedOfRun('a frozen core'))
      for (const core of works.cores.values()) core.start()
      await works.shared(SHARDS / 2 - 1)
      await works.write(40)
      const frozen = works.cores.get('core-a') as HeadraceProcess
      frozen.freeze()
      await works.write(40)
      await works.verify()
      frozen.wake()
      await works.write(40)
      await works.shared(SHARDS / 2 - 1)
      await works.write(15)
      await works.verify()
    },
    TEST_LIMIT_MS,
  )
})
