import { HeadraceError } from '../runtime/errors.ts'
import { offsetBehind } from './batch-end.ts'
import type { Cursor, Fetched, Log, Place } from './log.ts'

/** A part of one partition: `[from, to)`. */
export interface PlaceRange extends Place {
  readonly from: number
  readonly to: number
}

export interface ReadBytes {
  /** Bytes that one fetch may bring, over all partitions. */
  readonly maxBytes: number
  readonly signal?: AbortSignal
}

/** Whole batches of one partition, in order. Records outside of `[from, to)` may be in the first and the last. */
export interface ReadPart {
  readonly place: Place
  readonly from: number
  readonly to: number
  readonly batches: readonly Buffer[]
}

/** How long one fetch waits for what should be there already, ms. */
const RANGE_WAIT_MS = 1_000

/**
 * Reads ranges of many partitions to their ends, side by side, in order within each. The ends were seen before: what is missing below them is
 * `offset_out_of_range`. The next fetch is under way while the parts of the one before are taken: two of them are in memory.
 */
export async function* readRange(log: Log, ranges: readonly PlaceRange[], limits: ReadBytes): AsyncGenerator<ReadPart> {
  const open = new Map(ranges.filter(range => range.from < range.to).map(range => [key(range), { range, next: range.from }]))
  let fetching = open.size > 0 ? fetchOf(log, open.values(), limits) : undefined
  while (fetching) {
    const fetched: readonly Fetched[] = await fetching
    limits.signal?.throwIfAborted()
    const parts: ReadPart[] = []
    for (const part of fetched) {
      const entry = open.get(key(part))
      if (!entry) continue
      const { range, next: from } = entry
      if (part.outOfRange) throw outOfRange(range, from, part)
      const last = part.batches.at(-1)
      if (!last) continue
      const end = offsetBehind(last)
      parts.push({ place: range, from, to: range.to, batches: part.batches })
      entry.next = end
      if (end >= range.to) open.delete(key(range))
    }
    fetching = open.size > 0 ? fetchOf(log, open.values(), limits) : undefined
    // Whoever stops reading does not wait for it any more.
    fetching?.catch(() => {})
    yield* parts
  }
}

function fetchOf(log: Log, entries: Iterable<{ range: PlaceRange; next: number }>, limits: ReadBytes): Promise<Fetched[]> {
  const cursors: Cursor[] = [...entries].map(({ range, next }) => ({
    topic: range.topic,
    partition: range.partition,
    from: next,
  }))
  const { maxBytes, signal } = limits
  return log.fetch(cursors, { maxBytes, waitMs: RANGE_WAIT_MS, ...(signal && { signal }) })
}

/** Follows partitions for ever, from the cursors on; ends when the signal is aborted. */
export async function* follow(
  log: Pick<Log, 'follower'>,
  cursors: readonly Cursor[],
  limits: { maxBytes: number; waitMs: number; signal: AbortSignal },
): AsyncGenerator<{ place: Place; batches: readonly Buffer[] }> {
  const from = new Map(cursors.map(cursor => [key(cursor), cursor.from]))
  const follower = log.follower()
  for (const cursor of cursors) follower.follow(cursor)
  try {
    while (!limits.signal.aborted) {
      for (const part of await follower.fetch(limits)) {
        if (part.outOfRange) throw outOfRange(part, from.get(key(part)) ?? 0, part)
        const last = part.batches.at(-1)
        if (!last) continue
        from.set(key(part), offsetBehind(last))
        yield { place: part, batches: part.batches }
      }
    }
  } catch (error) {
    if (!limits.signal.aborted) throw error
  } finally {
    follower.close()
  }
}

function key(place: Place): string {
  return `${place.topic}\0${place.partition}`
}

/** A reader asked for what the log does not have: never skipped in silence. */
export function outOfRange(place: Place, from: number, bounds: { first: number; next: number }): HeadraceError {
  return new HeadraceError(
    'offset_out_of_range',
    `${place.topic}[${place.partition}]: offset ${from} is asked for, the log has [${bounds.first}, ${bounds.next})`,
    { advice: 'Look why it is gone: retention, or a log that was restored or made anew.' },
  )
}
