import { offsetBehind } from '../../log/batch-end.ts'
import type { Cursor, Fetched, Follower, Log, Place } from '../../log/log.ts'
import { placeKey } from '../../log/place-key.ts'
import { AT, readBatchHeader } from '../../record/batch-header.ts'

/** A batch of one partition, in its turn. */
export interface FedBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
  /** The number after its last record. */
  readonly next: number
}

export interface Fed {
  readonly batches: readonly FedBatch[]
  /** Partitions of which there is something new, with their bounds at that moment. */
  readonly parts: readonly Fetched[]
}

/** How often in a row others wait for a partition that has more and gives nothing. */
const STARVED_PASSES_MAX = 20

interface Queue extends Place {
  readonly batches: { bytes: Buffer; timeMs: number; next: number }[]
  /** Next to fetch: behind what lies in the queue. */
  from: number
  end: number
}

/**
 * Reads many partitions side by side, in order within each, and across them about in the order of event time: while one is behind that has more to
 * read, the others wait for it. So an analyser that has several sources together sees after an outage what it would have seen without.
 *
 * A pass costs what is new in it: a partition of which nothing comes is not touched.
 */
export class Feed {
  readonly #follower: Follower
  readonly #queues = new Map<string, Queue>()
  /** Those with batches in them; they are not read further until they are empty. */
  readonly #filled = new Set<Queue>()
  /** Those that are empty, and have more in the log. */
  readonly #behind = new Set<Queue>()
  readonly #unfollowed = new Set<Queue>()
  #starvedPasses = 0

  constructor(log: Pick<Log, 'follower'>) {
    this.#follower = log.follower()
  }

  /** What lies in the queue of a partition that is not read any more, or from elsewhere, is dropped. */
  setCursors(cursors: readonly Cursor[]): void {
    const wanted = new Set(cursors.map(placeKey))
    for (const [key, queue] of this.#queues) if (!wanted.has(key)) this.#drop(key, queue)
    for (const cursor of cursors) {
      const key = placeKey(cursor)
      const queue = this.#queues.get(key)
      if (queue && startOf(queue) <= cursor.from && (queue.batches.length > 0 || queue.from === cursor.from)) continue
      if (queue) this.#drop(key, queue)
      const { topic, partition, from } = cursor
      this.#queues.set(key, { topic, partition, batches: [], from, end: from })
      this.#follower.follow(cursor)
    }
  }

  async next(limits: { maxBytes: number; waitMs: number; signal: AbortSignal }): Promise<Fed> {
    this.#followTheEmpty()
    const waitMs = this.#filled.size > 0 ? 0 : limits.waitMs
    const parts = this.#filled.size < this.#queues.size ? await this.#follower.fetch({ ...limits, waitMs }) : []
    for (const part of parts) this.#put(part)
    this.#starvedPasses = this.#behind.size > 0 ? this.#starvedPasses + 1 : 0
    const mayTake = this.#starvedPasses === 0 || this.#starvedPasses > STARVED_PASSES_MAX
    return { batches: mayTake ? this.#takeInTurn() : [], parts }
  }

  close(): void {
    this.#follower.close()
  }

  #put(part: Fetched): void {
    const queue = this.#queues.get(placeKey(part))
    if (!queue || part.outOfRange) return
    queue.end = part.next
    for (const bytes of part.batches) {
      const next = offsetBehind(bytes)
      if (next <= queue.from) continue
      queue.batches.push({ bytes, timeMs: Number(bytes.readBigInt64BE(AT.baseTimestamp)), next })
      queue.from = next
    }
    this.#sort(queue)
  }

  /** Among which it is, after something came or was taken. */
  #sort(queue: Queue): void {
    const isEmpty = queue.batches.length === 0
    if (isEmpty) this.#filled.delete(queue)
    else this.#filled.add(queue)
    if (isEmpty && queue.from < queue.end) this.#behind.add(queue)
    else this.#behind.delete(queue)
  }

  #drop(key: string, queue: Queue): void {
    this.#queues.delete(key)
    this.#filled.delete(queue)
    this.#behind.delete(queue)
    if (!this.#unfollowed.delete(queue)) this.#follower.leave(queue)
  }

  #followTheEmpty(): void {
    for (const queue of this.#unfollowed) {
      if (this.#filled.has(queue)) continue
      this.#unfollowed.delete(queue)
      this.#follower.follow({ topic: queue.topic, partition: queue.partition, from: queue.from })
    }
    for (const queue of this.#filled) {
      if (this.#unfollowed.has(queue)) continue
      this.#unfollowed.add(queue)
      this.#follower.leave(queue)
    }
  }

  /** The oldest first, until a partition is empty that has more in the log. */
  #takeInTurn(): FedBatch[] {
    const taken: FedBatch[] = []
    // The oldest is last; of those that are as old, the one that was filled first.
    const order = [...this.#filled].reverse().sort((a, b) => timeOf(b) - timeOf(a))
    for (let queue = order.pop(); queue; queue = order.pop()) {
      const batch = queue.batches.shift()
      if (!batch) break
      taken.push({ topic: queue.topic, partition: queue.partition, bytes: batch.bytes, next: batch.next })
      this.#sort(queue)
      if (this.#behind.has(queue)) break
      if (queue.batches.length > 0) order.splice(placeIn(order, timeOf(queue)), 0, queue)
    }
    return taken
  }
}

function timeOf(queue: Queue): number {
  return queue.batches[0]?.timeMs ?? 0
}

/** Where a queue of this time belongs among others of which the oldest is last: behind those that are younger, or as old. */
function placeIn(order: readonly Queue[], timeMs: number): number {
  let [from, to] = [0, order.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const other = order[middle]
    if (other && timeOf(other) >= timeMs) from = middle + 1
    else to = middle
  }
  return from
}

function startOf(queue: Queue): number {
  return queue.batches[0] ? readBatchHeader(queue.batches[0].bytes).baseOffset : queue.from
}
