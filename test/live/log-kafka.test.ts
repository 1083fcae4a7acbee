import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { describeLog } from '../log/conformance.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'

function openOn(kafka: KafkaCluster): Promise<Log> {
  return openKafkaLog({ brokers: kafka.addresses, client_id: 'test' }, { clock: systemClock, log: silentLogger })
}

describeLog('Kafka', { proofsExpire: true, tellsRepeats: true }, async () => {
  const kafka = await KafkaCluster.start()
  return {
    open: () => openOn(kafka),
    kill9: async () => {
      await kafka.kill9(1)
      await kafka.restart(1)
    },
    stop: () => kafka.stop(),
  }
})

describe('a topic that cannot be used', () => {
  let kafka: KafkaCluster
  let log: Log
  beforeAll(async () => {
    kafka = await KafkaCluster.start()
    log = await openOn(kafka)
  })
  afterAll(async () => {
    await log?.close()
    await kafka?.stop()
  })

  const source = (name: string) => ({ gateway: 'gw-1', source: name })

  async function topics(...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await kafka.tool('org.apache.kafka.tools.TopicCommand', [
      ...['--bootstrap-server', kafka.bootstrap],
      ...args,
    ])
    if (code !== 0) throw new Error(stdout + stderr)
  }

  async function produce(topic: string, lines: string): Promise<void> {
    const { code, stderr } = await kafka.tool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', kafka.bootstrap, '--topic', topic],
      { input: lines },
    )
    if (code !== 0) throw new Error(stderr)
  }

  test.each([
    ['compacted', 'cleanup.policy=compact', 'cleanup.policy=compact'],
    ['kept for an hour', 'retention.ms=3600000', 'retention.ms=3600000'],
    ['kept by size', 'retention.bytes=1000000', 'retention.bytes=1000000'],
    ['stamped with the time of arrival', 'message.timestamp.type=LogAppendTime', 'LogAppendTime'],
  ])('%s: refused with the setting, why, and the command that sets it right', async (name, setting, said) => {
    const topic = `refused-${name.replaceAll(' ', '-')}`
    const settings = ['retention.ms=-1', setting].flatMap(each => ['--config', each])
    await topics('--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1', ...settings)
    const refused = log.claim(source(topic), topic)
    await expect(refused).rejects.toMatchObject({ code: 'topic_refused', message: expect.stringContaining(said) })
    await expect(refused).rejects.toMatchObject({ advice: expect.stringContaining('kafka-configs --alter') })
    expect(await log.claimOf(source(topic))).toBeUndefined()
  })

  test('a topic of that name that holds data of somebody else is refused, and its data stays', async () => {
    const topic = 'of-somebody-else'
    await topics('--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1')
    await produce(topic, 'an order\nanother order\n')
    await expect(log.claim(source('pump-1'), topic)).rejects.toMatchObject({ code: 'topic_refused' })
    const { stdout } = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', kafka.bootstrap, '--topic', topic, '--from-beginning', '--timeout-ms', '5000'],
    ])
    expect(stdout).toContain('another order')
  })
})
