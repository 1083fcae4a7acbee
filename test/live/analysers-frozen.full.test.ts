import { afterEach, beforeEach, describe, test } from 'vitest'
import type { HeadraceProcess } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { seedOfRun } from '../support/random.ts'
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
