import { readBatchHeader } from '../record/batch-header.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { encodePlaceholder } from '../record/placeholder.ts'
import type { EncodedBatch } from '../record/record.ts'
import { DATE_MS_MAX } from '../runtime/clock.ts'
import type { Arrival } from './gate.ts'

/** What takes a dead letter's numbers: the same range, producer and epoch, and a gap that says what is missing. */
export function placeholderFor(source: string, { batch, producerId, epoch, epochStart }: Arrival, nowMs: number): EncodedBatch {
  const { baseTimestampMs, maxTimestampMs } = readBatchHeader(batch.bytes)
  const gap = {
    records: batch.count,
    from: dateText(baseTimestampMs),
    to: dateText(maxTimestampMs),
    reason: 'dead_letter',
  } as const
  // A time far ahead may be the very thing that the log refused.
  const timeMs = Math.min(baseTimestampMs, nowMs)
  const identity = { key: source, producerId, epoch, epochStart, sequence: batch.sequence }
  return encodePlaceholder(new BatchWriter(), identity, { count: batch.count, timeMs, gap })
}

function dateText(ms: number): string {
  return new Date(Math.max(-DATE_MS_MAX, Math.min(DATE_MS_MAX, ms))).toISOString()
}
