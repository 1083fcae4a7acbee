import { readBatchHeader } from '../record/batch-header.ts'
import type { BatchFacts } from './log.ts'

/** Of a batch as it lies in the log. */
export function factsOf(batch: Buffer): BatchFacts {
  const { baseOffset, lastOffsetDelta, crc } = readBatchHeader(batch)
  return { sequence: baseOffset, count: lastOffsetDelta + 1, crc }
}
