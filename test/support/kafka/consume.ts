import { zstdDecompressSync } from 'node:zlib'
import kafkajs, { type Kafka, type KafkaMessage } from 'kafkajs'
import type { ConsumedRecord } from '../../fault/checker.ts'

/** Without a record for so long, reading has failed: how long all of it takes follows from how many there are. */
const STILL_LIMIT_MS = 120_000
const OFFSETS_ATTEMPTS_MAX = 60
const OFFSETS_PAUSE_MS = 500

/** Kafka as any program sees it through kafkajs, which has no zstd of its own: a consumer brings it, in two lines. */
export function plainKafka(brokers: readonly string[]): Kafka {
  const codecs = kafkajs.CompressionCodecs as Record<
    number,
    () => { compress(): Promise<Buffer>; decompress(bytes: Buffer): Promise<Buffer> }
  >
  codecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: () => Promise.reject(new Error('only reads')),
    decompress: async bytes => zstdDecompressSync(bytes),
  })
  return new kafkajs.Kafka({ brokers: [...brokers], clientId: 'checker', logLevel: kafkajs.logLevel.NOTHING })
}

export function groupName(): string {
  return `checker-${Math.random().toString(36).slice(2)}`
}

export function consumedRecord(partition: number, message: KafkaMessage): ConsumedRecord {
  const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([key, value]) => [key, String(value)]))
  const { offset, key, value } = message
  return { partition, offset: Number(offset), key: key?.toString() ?? null, value, headers }
}

/** Where each partition begins and ends. Partitions that were just made have no leader for a moment, and kafkajs does not ask again by itself. */
async function offsetsOf(kafka: Kafka, topic: string): Promise<{ partition: number; low: string; high: string }[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await admin.fetchTopicOffsets(topic)
      } catch (error) {
        if (attempt === OFFSETS_ATTEMPTS_MAX || !(error instanceof kafkajs.KafkaJSProtocolError && error.retriable)) throw error
        await new Promise(resolve => setTimeout(resolve, OFFSETS_PAUSE_MS))
      }
    }
  } finally {
    await admin.disconnect()
  }
}

/**
 * Reads a topic from its beginning to its present end, as any consumer would: kafkajs, in a group of its own. What is missing between the two (a topic is
 * compacted, and a core whose clock is years ahead makes the broker begin a segment anew, so that it is soon) is not waited for.
 */
export async function consumeTopic(brokers: readonly string[], topic: string): Promise<ConsumedRecord[]> {
  const kafka = plainKafka(brokers)
  const offsets = await offsetsOf(kafka, topic)
  const ends = new Map(offsets.map(each => [each.partition, { low: Number(each.low), high: Number(each.high) }]))
  const unread = new Map(
    [...ends].filter(([, { low, high }]) => high > low).map(([partition, { high }]) => [partition, high - 1]),
  )
  const records: ConsumedRecord[] = []
  const consumer = kafka.consumer({ groupId: groupName() })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  try {
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => {
        const where = [...unread].map(([partition, last]) => `${last} of partition ${partition}`).join(', ')
        reject(
          new Error(`${topic}: ${records.length} records were read, and none for ${STILL_LIMIT_MS} ms; missing are ${where}`),
        )
      }, STILL_LIMIT_MS)
      const look = () => {
        if (unread.size > 0) return
        clearTimeout(limit)
        resolve()
      }
      look()
      void consumer.run({
        eachBatchAutoResolve: true,
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) {
            if (Number(message.offset) >= (ends.get(batch.partition)?.high ?? 0)) continue
            records.push(consumedRecord(batch.partition, message))
            if (Number(message.offset) >= (unread.get(batch.partition) ?? Number.POSITIVE_INFINITY))
              unread.delete(batch.partition)
          }
          limit.refresh()
          look()
        },
      })
    })
  } finally {
    await consumer.disconnect()
  }
  return records
}
