import { expect, inject, test } from 'vitest'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'
import { KafkaWorld, openLogAt } from './kafka-world.ts'

const JOIN_LIMIT_MS = 90_000

test('somebody who reads by the consumer protocol of Kafka 4 is seen in the group too; a group that nobody knows has no members', async () => {
  const kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
  const log = await openLogAt(kafka.addresses)
  const world = new KafkaWorld(log, 'adopt-newer')
  try {
    await world.lay('a', 20)
    const consumer = kafka.service(
      'org.apache.kafka.tools.consumer.ConsoleConsumer',
      [
        ...['--bootstrap-server', kafka.bootstrap, '--topic', world.topic, '--group', 'adopt-newer'],
        ...['--command-property', 'group.protocol=consumer', '--command-property', 'client.id=nightly-2'],
      ],
      world.path('consumer.log'),
    )
    await until(
      'the consumer has joined',
      async () => {
        if (consumer.exitCode !== null) throw new Error(`the consumer ended:\n${world.read('consumer.log')}`)
        return (await log.groupMembers('adopt-newer')).length === 1
      },
      JOIN_LIMIT_MS,
    )
    expect(await log.groupMembers('adopt-newer')).toMatchObject([{ client: 'nightly-2' }])
    consumer.kill('SIGKILL')
    expect(await log.groupMembers('nobody-ever')).toEqual([])
  } finally {
    world.end()
    await log.close()
    await kafka.stop()
  }
})
