import type { Claim, Log } from '../../log/log.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import type { StoredRecord } from '../../record/record.ts'
import { Feed } from './feed.ts'

const FETCH_BYTES = 4 * 2 ** 20
const FETCH_WAIT_MS = 500

/** A source that is read. */
interface Reading {
  readonly claim: Claim
  next: number
  readonly end: number
  /** Read, and not handed on yet. */
  waiting: StoredRecord[]
  /** Newest time of what was handed on. */
  newestMs: number
}

/**
 * Records of sources whose event time lies in [from, to), in the order in which they may have come: by event time across the sources, one that is older
 * than those before it of its source with them. Reading begins at the first record that is not older than `from` and ends at the first that is not older
 * than `to`, source by source, or where the log ended when it began.
 */
export async function* replayLog(
  log: Log,
  claims: readonly Claim[],
  times: { fromMs: number; toMs: number },
): AsyncGenerator<{ claim: Claim; batch: StoredRecord[] }> {
  const open = new Map<string, Reading>()
  for (const claim of claims) {
    const [next, end] = [await log.offsetAt(claim, times.fromMs), await log.offsetAt(claim, times.toMs)]
    if (next < end) open.set(placeKey(claim), { claim, next, end, waiting: [], newestMs: Number.NEGATIVE_INFINITY })
  }
  const all = [...open.values()]
  const feed = new Feed(log)
  const { signal } = new AbortController()
  /** The feed gives the oldest batch first: what is still to come is no older. */
  let reachedMs = Number.NEGATIVE_INFINITY
  while (open.size > 0) {
    feed.setCursors([...open.values()].map(({ claim, next }) => ({ topic: claim.topic, partition: claim.partition, from: next })))
    const { batches } = await feed.next({ maxBytes: FETCH_BYTES, waitMs: FETCH_WAIT_MS, signal })
    for (const fed of batches) {
      const reading = open.get(placeKey(fed))
      if (!reading) continue
      const { next, end } = reading
      const batch = decodeBatch(fed.bytes).filter(
        ({ sequence, timeMs }) => sequence >= next && sequence < end && timeMs >= times.fromMs && timeMs < times.toMs,
      )
      reading.waiting = reading.waiting.concat(batch)
      reachedMs = Math.max(reachedMs, batch[0]?.timeMs ?? reachedMs)
      reading.next = fed.next
      if (reading.next >= end) open.delete(placeKey(fed))
    }
    yield* inTurn(all, reachedMs)
  }
  yield* inTurn(all, Number.POSITIVE_INFINITY)
}

/** What comes before `untilMs`, the source first whose next record comes first. */
function* inTurn(all: readonly Reading[], untilMs: number): Generator<{ claim: Claim; batch: StoredRecord[] }> {
  for (;;) {
    const [first, second] = firstTwo(all)
    if (!first || comesAt(first) >= untilMs) return
    const otherMs = Math.min(untilMs, second ? comesAt(second) : untilMs)
    let count = 0
    for (const { timeMs } of first.waiting) {
      const atMs = Math.max(first.newestMs, timeMs)
      if (count > 0 && atMs >= otherMs) break
      first.newestMs = atMs
      count += 1
    }
    yield { claim: first.claim, batch: first.waiting.splice(0, count) }
  }
}

function firstTwo(all: readonly Reading[]): readonly (Reading | undefined)[] {
  let first: Reading | undefined
  let second: Reading | undefined
  for (const each of all) {
    if (!each.waiting[0]) continue
    if (!first || comesAt(each) < comesAt(first)) [first, second] = [each, first]
    else if (!second || comesAt(each) < comesAt(second)) second = each
  }
  return [first, second]
}

function comesAt({ newestMs, waiting: [first] }: Reading): number {
  return first ? Math.max(newestMs, first.timeMs) : Number.POSITIVE_INFINITY
}

function placeKey(place: { topic: string; partition: number }): string {
  return `${place.topic}\0${place.partition}`
}
