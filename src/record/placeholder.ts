import type { BatchIdentity, BatchWriter } from './batch-writer.ts'
import { gapHeader } from './gap.ts'
import type { EncodedBatch, Gap } from './record.ts'

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
