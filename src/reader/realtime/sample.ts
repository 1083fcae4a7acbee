import type { Sample } from '../../analyser/analyser.ts'
import { type RecordView, readHeaders } from '../../record/batch-reader.ts'
import type { Fields } from '../../record/fields.ts'
import { parseGap } from '../../record/gap.ts'
import { HEADER, type RecordHeader } from '../../record/record.ts'
import type { SourceId } from '../../runtime/names.ts'

const BRACE_OPEN = 0x7b

/** Of which source records are, and what is known of its fields. */
export interface SampledSource {
  readonly source: SourceId
  /** `<gateway>/<source>` */
  readonly key: string
  readonly facts: Fields
}

/** What a record is to an analyser: its value is taken apart once, whatever the number of analysers. */
export function sampleOf(
  { source, key, facts }: SampledSource,
  record: { sequence: number; timeMs: number; value: Buffer | null; headers: readonly RecordHeader[] },
  nowMs: number,
): Sample {
  const { sequence, timeMs, value, headers } = record
  let gap: Sample['gap']
  let isUndecoded = false
  for (const header of headers) {
    if (header.key === HEADER.gap) gap = parseGap(header.value)
    else if (header.key === HEADER.decodeError) isUndecoded = true
  }
  // Bytes that could not be decoded on the gateway have no fields.
  const fields = value && !isUndecoded ? fieldsOf(value) : undefined
  return { source, key, sequence, timeMs, nowMs, fields, facts, value, gap }
}

const NO_HEADERS: readonly RecordHeader[] = []

export function sampleOfView(source: SampledSource, view: RecordView, nowMs: number): Sample {
  const value = view.valueFrom < 0 ? null : view.bytes.subarray(view.valueFrom, view.valueTo)
  // Every record has the header `seq`.
  const headers = view.headerCount > 1 ? readHeaders(view) : NO_HEADERS
  return sampleOf(source, { sequence: view.sequence, timeMs: view.timeMs, value, headers }, nowMs)
}

function fieldsOf(value: Buffer): Record<string, unknown> | undefined {
  if (value[0] !== BRACE_OPEN) return undefined
  try {
    return JSON.parse(value.toString('utf8')) as Record<string, unknown>
  } catch {
    return undefined
  }
}
