import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import type { EncodedBatch } from '../../src/record/record.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { describeLog } from '../log/conformance.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'

const LONG_MAX = '9223372036854775807'

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

  test('a topic that takes small batches only says how large they may be: that large one is taken, a byte more is refused', async () => {
    const topic = 'small-batches'
    const config = ['retention.ms=-1', `message.timestamp.after.max.ms=${LONG_MAX}`, 'max.message.bytes=30000']
    const settings = config.flatMap(each => ['--config', each])
    await topics('--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1', ...settings)
    const claim = await log.claim(source('small-1'), topic)
    expect(await log.batchBytesMax(topic)).toBe(30_000)
    const writer = new BatchWriter()
    const sized = (bytes: number): EncodedBatch => {
      const made = (value: Buffer) => {
        writer.begin({ key: 'gw-1/small-1', ...claim, sequence: 0 })
        writer.append(0, value, 0, value.length)
        return writer.finish('none')
      }
      return made(Buffer.alloc(bytes - (made(Buffer.alloc(bytes - 200)).bytes.length - (bytes - 200))))
    }
    const { proof } = await log.end(claim)
    expect(sized(30_001).bytes.length).toBe(30_001)
    expect(await log.append(claim, sized(30_001), proof)).toMatchObject({ outcome: 'refused', reason: 'too_large' })
    expect(await log.append(claim, sized(30_000), proof)).toEqual({ outcome: 'appended', offset: 0 })
  })

  test('one that Kafka would never make is refused with what Kafka says, and what to do', async () => {
    await topics('--create', '--topic', 'made.before', '--partitions', '1', '--replication-factor', '1')
    await expect(log.claim(source('clash-1'), 'made_before')).rejects.toMatchObject({
      code: 'topic_refused',
      message: expect.stringMatching(/^topic made_before could not be made with 1 replica: Kafka error 17: .*collides/),
      advice: expect.stringContaining('name another topic'),
    })
    const options = { brokers: kafka.addresses, client_id: 'test', replication: 3 }
    const demanding = await openKafkaLog(options, { clock: systemClock, log: silentLogger })
    await expect(demanding.claim(source('three-1'), 'three-replicas')).rejects.toMatchObject({
      code: 'topic_refused',
      message: expect.stringMatching(/^topic three-replicas could not be made with 3 replicas: Kafka error 38: /),
      advice: expect.stringContaining('Start the brokers that are missing'),
    })
    await demanding.close()
  })

  test('a topic of that name that holds data of somebody else is refused, and its data stays', async () => {
    const topic = 'of-somebody-else'
    await topics('--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1')
    await produce(topic, 'an order\nanother order\n')
    await expect(log.claim(source('pump-1'), topic)).rejects.toMatchObject({ code: 'topic_refused' })
    const { stdout } = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...[
        '--bootstrap-server',
        kafka.bootstrap,
        '--topic',
        topic,
        '--from-beginning',
        '--max-messages',
        '2',
        '--timeout-ms',
        '60000',
      ],
    ])
    expect(stdout).toContain('another order')
  })
})
