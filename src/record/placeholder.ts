import { readHeaders, visitRecords } from './batch-reader.ts'
import type { BatchIdentity, BatchWriter } from './batch-writer.ts'
import { gapHeader, parseGap } from './gap.ts'
import { type EncodedBatch, type Gap, type GapReason, HEADER } from './record.ts'

/** A placeholder's records; longer ranges take several. */
export const PLACEHOLDER_RECORDS_MAX = 10_000

/** A batch of `count` records without values, whose first says in `gap` what is missing: it takes the place of numbers that cannot be sent any more. */
export function encodePlaceholder(
  writer: BatchWriter,
  identity: BatchIdentity,
  what: { count: number; timeMs: number; gap: Gap },
): EncodedBatch {
  const header = [gapHeader(what.gap)]
  writer.begin(identity)
  for (let index = 0; index < what.count; index++) writer.appendNull(what.timeMs, index === 0 ? header : undefined)
  return writer.finish('zstd')
}

/** Whether a batch is a placeholder, for that reason: its records have no values, which no device's can be without. */
export function standsFor(bytes: Buffer, reason: GapReason): boolean {
  let found = false
  visitRecords(bytes, record => {
    if (found || record.valueFrom >= 0) return
    const gap = readHeaders(record).find(header => header.key === HEADER.gap)
    found = gap !== undefined && parseGap(gap.value)?.reason === reason
  })
  return found
}
