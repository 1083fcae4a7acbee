import type { Claim, Cursor, Log } from '../../log/log.ts'
import { placeKey } from '../../log/place-key.ts'
import { outOfRange } from '../../log/read-range.ts'
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
  /** Read; those before `handedOn` were handed on. */
  waiting: StoredRecord[]
  handedOn: number
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
    if (next < end) open.set(placeKey(claim), { claim, next, end, waiting: [], handedOn: 0, newestMs: Number.NEGATIVE_INFINITY })
  }
  const all = [...open.values()]
  const feed = new Feed(log)
  const { signal } = new AbortController()
  /** The feed gives the oldest batch first: what is still to come is no older. */
  let reachedMs = Number.NEGATIVE_INFINITY
  try {
    for (let reading = 0; open.size > 0; ) {
      if (reading !== open.size) feed.setCursors([...open.values()].map(({ claim, next }) => cursorOf(claim, next)))
      reading = open.size
      const { batches, parts } = await feed.next({ maxBytes: FETCH_BYTES, waitMs: FETCH_WAIT_MS, signal })
      for (const part of parts) {
        const source = open.get(placeKey(part))
        if (source && part.outOfRange) throw outOfRange(part, source.next, part)
      }
      for (const fed of batches) {
        const source = open.get(placeKey(fed))
        if (!source) continue
        const { next, end } = source
        const batch = decodeBatch(fed.bytes).filter(
          ({ sequence, timeMs }) => sequence >= next && sequence < end && timeMs >= times.fromMs && timeMs < times.toMs,
        )
        source.waiting = source.waiting.slice(source.handedOn).concat(batch)
        source.handedOn = 0
        reachedMs = Math.max(reachedMs, batch[0]?.timeMs ?? reachedMs)
        source.next = fed.next
        if (source.next >= end) open.delete(placeKey(fed))
      }
      yield* inTurn(all, reachedMs)
    }
  } finally {
    feed.close()
  }
  yield* inTurn(all, Number.POSITIVE_INFINITY)
}

/** What comes before `untilMs`, the source first whose next record comes first. */
function* inTurn(all: readonly Reading[], untilMs: number): Generator<{ claim: Claim; batch: StoredRecord[] }> {
  for (;;) {
    const [first, second] = firstTwo(all)
    if (!first || comesAt(first) >= untilMs) return
    const otherMs = Math.min(untilMs, second ? comesAt(second) : untilMs)
    const from = first.handedOn
    for (let next = first.waiting[from]; next; next = first.waiting[first.handedOn]) {
      const atMs = Math.max(first.newestMs, next.timeMs)
      if (first.handedOn > from && atMs >= otherMs) break
      first.newestMs = atMs
      first.handedOn += 1
    }
    yield { claim: first.claim, batch: first.waiting.slice(from, first.handedOn) }
  }
}

function firstTwo(all: readonly Reading[]): readonly (Reading | undefined)[] {
  let first: Reading | undefined
  let second: Reading | undefined
  for (const each of all) {
    if (!each.waiting[each.handedOn]) continue
    if (!first || comesAt(each) < comesAt(first)) [first, second] = [each, first]
    else if (!second || comesAt(each) < comesAt(second)) second = each
  }
  return [first, second]
}

function comesAt({ newestMs, waiting, handedOn }: Reading): number {
  const next = waiting[handedOn]
  return next ? Math.max(newestMs, next.timeMs) : Number.POSITIVE_INFINITY
}

function cursorOf({ topic, partition }: Claim, from: number): Cursor {
  return { topic, partition, from }
}
