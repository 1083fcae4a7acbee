import type { Claim, Cursor, Log } from '../../log/log.ts'
import { outOfRange } from '../../log/read-range.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import type { StoredRecord } from '../../record/record.ts'
import { Feed } from './feed.ts'

const FETCH_BYTES = 4 * 2 ** 20
const FETCH_WAIT_MS = 500

/**
 * Records of sources whose event time lies in [from, to), about in the order of event time. Reading begins at the first record that is not older
 * than `from` and ends at the first that is not older than `to`, source by source, or where the log ended when it began.
 */
export async function* replayLog(
  log: Log,
  claims: readonly Claim[],
  times: { fromMs: number; toMs: number },
): AsyncGenerator<{ claim: Claim; batch: StoredRecord[] }> {
  const open = new Map<string, { claim: Claim; next: number; end: number }>()
  for (const claim of claims) {
    const [next, end] = [await log.offsetAt(claim, times.fromMs), await log.offsetAt(claim, times.toMs)]
    if (next < end) open.set(placeKey(claim), { claim, next, end })
  }
  const feed = new Feed(log)
  const { signal } = new AbortController()
  try {
    for (let reading = 0; open.size > 0; ) {
      if (reading !== open.size) feed.setCursors([...open.values()].map(({ claim, next }) => cursorOf(claim, next)))
      reading = open.size
      const { batches, parts } = await feed.next({ maxBytes: FETCH_BYTES, waitMs: FETCH_WAIT_MS, signal })
      for (const part of parts) {
        const entry = open.get(placeKey(part))
        if (entry && part.outOfRange) throw outOfRange(part, entry.next, part)
      }
      for (const fed of batches) {
        const entry = open.get(placeKey(fed))
        if (!entry) continue
        const { claim, next, end } = entry
        const batch = decodeBatch(fed.bytes).filter(
          ({ sequence, timeMs }) => sequence >= next && sequence < end && timeMs >= times.fromMs && timeMs < times.toMs,
        )
        if (batch.length > 0) yield { claim, batch }
        entry.next = fed.next
        if (entry.next >= end) open.delete(placeKey(fed))
      }
    }
  } finally {
    feed.close()
  }
}

function cursorOf({ topic, partition }: Claim, from: number): Cursor {
  return { topic, partition, from }
}

function placeKey(place: { topic: string; partition: number }): string {
  return `${place.topic}\0${place.partition}`
}
