import type { Claim, Log } from '../log/log.ts'
import { follow } from '../log/read-range.ts'
import { decodeBatch } from '../record/batch-reader.ts'
import type { StoredRecord } from '../record/record.ts'
import type { SourceId } from '../runtime/names.ts'
import { allEnds } from './all-ends.ts'

const FETCH_BYTES = 2 ** 20
const FETCH_WAIT_MS = 500

export interface TailedRecord extends StoredRecord {
  readonly source: SourceId
}

/** Records of sources as they arrive in the log, beginning `last` records before the end; ends when the signal is aborted. */
export async function* tail(
  log: Log,
  claims: readonly Claim[],
  options: { last: number; signal: AbortSignal },
): AsyncGenerator<TailedRecord> {
  const endOf = await allEnds(log, claims)
  const sources = new Map(claims.map(claim => [`${claim.topic}\0${claim.partition}`, claim.source]))
  const cursors = claims.map(claim => {
    const { first, next } = endOf(claim)
    return { topic: claim.topic, partition: claim.partition, from: Math.max(first, next - options.last) }
  })
  const from = new Map(cursors.map(cursor => [`${cursor.topic}\0${cursor.partition}`, cursor.from]))
  for await (const { place, batches } of follow(log, cursors, {
    maxBytes: FETCH_BYTES,
    waitMs: FETCH_WAIT_MS,
    signal: options.signal,
  })) {
    const key = `${place.topic}\0${place.partition}`
    const source = sources.get(key)
    if (!source) continue
    for (const batch of batches) {
      for (const record of decodeBatch(batch)) {
        if (record.sequence >= (from.get(key) ?? 0)) yield { ...record, source }
      }
    }
  }
}
