import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { batchCalls } from '../../src/cli/batch-calls.ts'
import type { Log } from '../../src/log/log.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { KafkaWorld, openLogAt } from './kafka-world.ts'

let kafka: KafkaCluster
let log: Log
let world: KafkaWorld
beforeAll(async () => {
  kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
  log = await openLogAt(kafka.addresses)
})
afterAll(async () => {
  world.end()
  await log?.close()
  await kafka?.stop()
})

test('offsets of a group are adopted when everybody has left it, and not while somebody reads', async () => {
  world = new KafkaWorld(log, 'adopt-live')
  await world.lay('a', 20)
  const job = world.job()
  const scheduler = new BatchScheduler({ jobs: [job], log, ledger: world.ledger, clock: systemClock, logger: silentLogger })
  const adopt = (group: string) => batchCalls(scheduler, world.ledger, log)['batch.adopt']({ job: 'load', group })
  const [claim] = await job.claims()
  if (!claim) throw new Error('nothing was laid')

  const client = new kafkajs.Kafka({ brokers: kafka.addresses, clientId: 'nightly-1', logLevel: kafkajs.logLevel.NOTHING })
  const classic = client.consumer({ groupId: 'adopt-classic' })
  await classic.connect()
  await classic.subscribe({ topic: world.topic })
  const { promise: joined, resolve } = Promise.withResolvers<void>()
  classic.on(classic.events.GROUP_JOIN, () => resolve())
  await classic.run({ autoCommit: false, eachBatch: async () => {} })
  await joined
  await expect(adopt('adopt-classic')).rejects.toMatchObject({
    code: 'group_in_use',
    message: expect.stringMatching(/^group adopt-classic is still being read: nightly-1 at 127\.0\.0\.1 \(nightly-1-/),
    advice: expect.stringContaining('Stop the old job first'),
  })
  expect(world.ledger.offsets(job.definition.name).size).toBe(0)
  await classic.disconnect()
  await log.commitOffsets('adopt-classic', [{ topic: claim.topic, partition: claim.partition, from: 7 }])
  expect(await adopt('adopt-classic')).toMatchObject([{ source: 'adopt-live/a', offset: 7 }])
})
