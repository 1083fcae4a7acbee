import kafkajs, { type KafkaMessage } from 'kafkajs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { readRange } from '../../src/log/read-range.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import type { CodecName } from '../../src/record/record.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'

let kafka: KafkaCluster
let log: Log

beforeAll(async () => {
  kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
  log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'interop' }, { clock: systemClock, log: silentLogger })
})
afterAll(async () => {
  await log?.close()
  await kafka?.stop()
})

const TIME_MS = 1_767_225_600_000
const values = ['plain', 'größer als ASCII', '{"json":true}', '']

/** Appends one batch as a gateway would have made it. */
async function appendOne(name: string, codec: CodecName) {
  const claim = await log.claim({ gateway: 'interop', source: name }, `interop-${name}`)
  const writer = new BatchWriter()
  writer.begin({ key: `interop/${name}`, producerId: claim.producerId, epoch: claim.epoch, epochStart: 0, sequence: 0 })
  for (const [index, text] of values.entries()) {
    const bytes = Buffer.from(text)
    writer.append(
      TIME_MS + index,
      bytes,
      0,
      bytes.length,
      index === 1 ? [{ key: 'extra', value: Buffer.from('more') }] : undefined,
    )
  }
  writer.appendNull(TIME_MS + values.length)
  const { proof } = await log.end(claim)
  expect(await log.append(claim, writer.finish(codec), proof)).toMatchObject({ outcome: 'appended', offset: 0 })
  return claim
}

test.each(['none', 'gzip', 'zstd'] as const)("a batch of ours (%s) is read by Kafka's own console consumer", async codec => {
  const { topic, source } = await appendOne(`java-${codec}`, codec)
  const properties = ['print.partition', 'print.offset', 'print.timestamp', 'print.key', 'print.headers'].flatMap(name => [
    '--formatter-property',
    `${name}=true`,
  ])
  const { stdout, stderr } = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...[
      '--bootstrap-server',
      kafka.bootstrap,
      '--topic',
      topic,
      '--from-beginning',
      '--max-messages',
      '5',
      '--timeout-ms',
      '20000',
    ],
    ...properties,
  ])
  const key = `${source.gateway}/${source.source}`
  expect(stdout.trim().split('\n'), stderr).toEqual([
    `CreateTime:${TIME_MS}\tPartition:0\tOffset:0\tseq:0\t${key}\tplain`,
    `CreateTime:${TIME_MS + 1}\tPartition:0\tOffset:1\tseq:1,extra:more\t${key}\tgrößer als ASCII`,
    `CreateTime:${TIME_MS + 2}\tPartition:0\tOffset:2\tseq:2\t${key}\t{"json":true}`,
    `CreateTime:${TIME_MS + 3}\tPartition:0\tOffset:3\tseq:3\t${key}\t`,
    `CreateTime:${TIME_MS + 4}\tPartition:0\tOffset:4\tseq:4\t${key}\tnull`,
  ])
})

test.each(['none', 'gzip'] as const)('a batch of ours (%s) is read by a kafkajs group', async codec => {
  const { topic, source } = await appendOne(`kafkajs-${codec}`, codec)
  const client = new kafkajs.Kafka({ brokers: kafka.addresses, logLevel: kafkajs.logLevel.NOTHING })
  const consumer = client.consumer({ groupId: `interop-${codec}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const messages: KafkaMessage[] = []
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          messages.push(message)
          if (messages.length === values.length + 1) resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  expect(messages.map(({ offset }) => offset)).toEqual(['0', '1', '2', '3', '4'])
  expect(messages.map(({ value }) => value?.toString() ?? null)).toEqual([...values, null])
  expect(messages.map(({ timestamp }) => Number(timestamp))).toEqual([0, 1, 2, 3, 4].map(index => TIME_MS + index))
  expect(messages.map(({ headers }) => String(headers?.['seq']))).toEqual(['0', '1', '2', '3', '4'])
  expect(messages[0]?.key?.toString()).toBe(`${source.gateway}/${source.source}`)
})

test.each(['none', 'gzip', 'zstd'])('what the Java producer wrote (%s) is read by us', async compression => {
  const topic = `from-java-${compression}`
  await kafka.tool('org.apache.kafka.tools.TopicCommand', [
    ...['--bootstrap-server', kafka.bootstrap, '--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1'],
  ])
  const lines = Array.from({ length: 500 }, (_, index) => `key-${index}\tvalue ${index} of the Java producer`)
  const { code, stderr } = await kafka.tool(
    'org.apache.kafka.tools.ConsoleProducer',
    [
      ...['--bootstrap-server', kafka.bootstrap, '--topic', topic, '--compression-codec', compression],
      ...['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=\t'],
    ],
    { input: `${lines.join('\n')}\n` },
  )
  expect(code, stderr).toBe(0)
  const place = { topic, partition: 0 }
  await log.end(place)
  const read: string[] = []
  for await (const part of readRange(log, [{ ...place, from: 0, to: 500 }], { maxBytes: 1_000_000 })) {
    for (const bytes of part.batches) for (const { key, value } of decodeBatch(bytes)) read.push(`${key}\t${value}`)
  }
  expect(read).toEqual(lines)
})
