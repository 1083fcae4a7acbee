import { expect, test } from 'vitest'
import type { PartitionBytes } from '../../../src/log/kafka/apis.ts'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { RecordAppender } from '../../../src/log/kafka/record-appender.ts'
import { checkBatchCrc, readBatchHeader } from '../../../src/record/batch-header.ts'
import { decodeBatch } from '../../../src/record/batch-reader.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

/** A broker that keeps what it is given, unless a batch is larger than it takes. */
function keeping(bytesMax = 1_000_000) {
  const batches: Buffer[] = []
  let next = 0
  const cluster = {
    findLeader: async () => ({ node: 1 }),
    forgetLeader: () => {},
    request: async (_node: number, _api: unknown, { parts: [part] }: { parts: readonly PartitionBytes[] }) => {
      const records = part?.records ?? Buffer.alloc(0)
      if (records.length > bytesMax) return [{ ...part, error: KAFKA_ERROR.messageTooLarge, baseOffset: -1 }]
      const header = readBatchHeader(records)
      checkBatchCrc(records, header)
      batches.push(records)
      const baseOffset = next
      next += header.count
      return [{ ...part, error: KAFKA_ERROR.none, baseOffset }]
    },
  }
  return { appender: new RecordAppender(cluster as unknown as KafkaCluster, new SimulatedClock()), batches }
}

/** What lies there, in order. */
const read = (batches: readonly Buffer[]) =>
  batches.flatMap(batch => decodeBatch(batch).map(({ key, value }) => `${key}=${value}`))

const records = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `gw/source-${index}`, value: Buffer.from(`${index}`.padEnd(bytes, '.')) }))
const texts = (of: ReturnType<typeof records>) => of.map(({ key, value }) => `${key}=${value}`)

test('each claim was a request of its own: a thousand are a few batches, each record with its key', async () => {
  const { appender, batches } = keeping()
  const all = records(1_000, 250)
  await appender.appendAll('headrace.claims', all)
  expect(read(batches)).toEqual(texts(all))
  expect(batches.length).toBe(5)
  for (const batch of batches) expect(batch.length).toBeLessThan(100_000)
})

test('a record that is larger by itself goes alone, and nothing is written of nothing', async () => {
  const { appender, batches } = keeping()
  const [first, large, last] = [...records(1, 10), ...records(1, 100_000), ...records(1, 10)]
  if (!first || !large || !last) throw new Error('three records')
  await appender.appendAll('headrace.claims', [first, large, last])
  expect(batches.map(batch => readBatchHeader(batch).count)).toEqual([1, 1, 1])
  await appender.appendAll('headrace.claims', [])
  expect(batches.length).toBe(3)
})

test('where the broker takes less than that, they go in smaller ones, in their order', async () => {
  const { appender, batches } = keeping(10_000)
  const all = records(300, 200)
  await appender.appendAll('headrace.claims', all)
  expect(read(batches)).toEqual(texts(all))
})

test('one record goes as ever, and its offset is told', async () => {
  const { appender, batches } = keeping()
  expect(await appender.append('headrace.claims', 'gw/a', Buffer.from('1'))).toBe(0)
  expect(await appender.append('headrace.claims', 'gw/ü', Buffer.alloc(5_000, 'x'))).toBe(1)
  expect(read(batches)).toEqual(['gw/a=1', `gw/ü=${'x'.repeat(5_000)}`])
})

test('one that is refused is told as before', async () => {
  const { appender } = keeping(100)
  await expect(appender.append('headrace.claims', 'gw/a', Buffer.alloc(500))).rejects.toThrow(
    'a record could not be written to headrace.claims: Kafka error 10',
  )
})
