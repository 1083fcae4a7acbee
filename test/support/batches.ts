import type { CutBatch } from '../../src/buffer/buffer.ts'
import { readBatchHeader } from '../../src/record/batch-header.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'

/** A batch whose records say `<key>#<sequence>`; `salt` makes another batch of the same numbers. */
export function cutBatch(
  sequence: number,
  count: number,
  identity: { key?: string; producerId?: number; epoch?: number; epochStart?: number; salt?: string } = {},
): CutBatch {
  const { key = 'gw-1/source-1', producerId = 1_000, epoch = 0, epochStart = 0, salt = '' } = identity
  const writer = new BatchWriter()
  writer.begin({ key, producerId, epoch, epochStart, sequence })
  for (let index = 0; index < count; index++) {
    const value = Buffer.from(`${key}#${sequence + index}${salt}`)
    writer.append(1_767_225_600_000, value, 0, value.length)
  }
  const batch = writer.finish('none')
  return { ...batch, source: key.split('/')[1] ?? key, epoch, crc: readBatchHeader(batch.bytes).crc }
}
