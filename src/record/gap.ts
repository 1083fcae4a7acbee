import { z } from 'zod'
import { GAP_REASONS, type Gap, type GapReason, HEADER, type RecordHeader } from './record.ts'

const gapSchema = z.object({
  records: z.int().min(0),
  from: z.string(),
  to: z.string(),
  reason: z.enum(GAP_REASONS),
})

/** So many records are missing, of these times at the outside, wall clock ms. */
export function gapAt(records: number, fromMs: number, toMs: number, reason: GapReason): Gap {
  return { records, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), reason }
}

/** The header in which a record or placeholder says what is missing before or in it. */
export function gapHeader(gap: Gap): RecordHeader {
  return { key: HEADER.gap, value: Buffer.from(JSON.stringify(gap)) }
}

/** What a `gap` header says; undefined where it is not one. */
export function parseGap(value: Buffer): Gap | undefined {
  try {
    return gapSchema.safeParse(JSON.parse(value.toString('utf8'))).data
  } catch {
    return undefined
  }
}

/** Two gaps side by side, as one. */
export function joinGaps(before: Gap | undefined, after: Gap | undefined): Gap | undefined {
  if (!before || !after) return before ?? after
  return {
    records: before.records + after.records,
    from: [before.from, after.from].sort()[0] ?? before.from,
    to: [before.to, after.to].sort()[1] ?? after.to,
    reason: after.reason,
  }
}
