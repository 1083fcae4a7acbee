import { readBatchHeader } from '../record/batch-header.ts'

/** The offset behind a batch: what comes next in its partition. */
export function offsetBehind(batch: Buffer): number {
  const { baseOffset, lastOffsetDelta } = readBatchHeader(batch)
  return baseOffset + lastOffsetDelta + 1
}
