import type { Cursor, Fetched, Log } from '../../log/log.ts'
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
  /** Partitions as they were asked for, with their bounds at that moment. */
  readonly parts: readonly Fetched[]
}

/** How often in a row others wait for a partition that has more and gives nothing. */
const STARVED_PASSES_MAX = 20

interface Queue {
  readonly topic: string
  readonly partition: number
  readonly batches: { bytes: Buffer; timeMs: number; next: number }[]
  /** Next to fetch: behind what lies in the queue. */
  from: number
  end: number
}

/**
 * Reads many partitions side by side, in order within each, and across them about in the order of event time: while one is behind that has more to
 * read, the others wait for it. So an analyser that has several sources together sees after an outage what it would have seen without.
 */
export class Feed {
  readonly #log: Log
  readonly #queues = new Map<string, Queue>()
  #starvedPasses = 0

  constructor(log: Log) {
    this.#log = log
  }

  /** What lies in the queue of a partition that is not read any more, or from elsewhere, is dropped. */
  setCursors(cursors: readonly Cursor[]): void {
    const wanted = new Set(cursors.map(placeKey))
    for (const key of this.#queues.keys()) if (!wanted.has(key)) this.#queues.delete(key)
    for (const cursor of cursors) {
      const queue = this.#queues.get(placeKey(cursor))
      if (queue && startOf(queue) <= cursor.from && (queue.batches.length > 0 || queue.from === cursor.from)) continue
      const { topic, partition, from } = cursor
      this.#queues.set(placeKey(cursor), { topic, partition, batches: [], from, end: from })
    }
  }

  async next(limits: { maxBytes: number; waitMs: number; signal: AbortSignal }): Promise<Fed> {
    const hungry = [...this.#queues.values()].filter(queue => queue.batches.length === 0)
    const asked = hungry.length > 0 ? hungry : [...this.#queues.values()]
    const isWaiting = hungry.length < this.#queues.size
    const parts = await this.#log.fetch(asked, { ...limits, waitMs: isWaiting ? 0 : limits.waitMs })
    let starving = false
    for (const part of parts) {
      const queue = this.#queues.get(placeKey(part))
      if (!queue || part.outOfRange) continue
      queue.end = part.next
      for (const bytes of part.batches) {
        const { baseOffset, lastOffsetDelta } = readBatchHeader(bytes)
        const next = baseOffset + lastOffsetDelta + 1
        if (next <= queue.from) continue
        queue.batches.push({ bytes, timeMs: Number(bytes.readBigInt64BE(AT.baseTimestamp)), next })
        queue.from = next
      }
      if (queue.batches.length === 0 && queue.from < queue.end) starving = true
    }
    this.#starvedPasses = starving ? this.#starvedPasses + 1 : 0
    const mayTake = this.#starvedPasses === 0 || this.#starvedPasses > STARVED_PASSES_MAX
    return { batches: mayTake ? this.#takeInTurn() : [], parts }
  }

  /** The oldest first, until a partition is empty that has more in the log. */
  #takeInTurn(): FedBatch[] {
    const taken: FedBatch[] = []
    const filled = [...this.#queues.values()].filter(queue => queue.batches.length > 0)
    while (filled.length > 0) {
      const oldest = filled.reduce((a, b) => ((b.batches[0]?.timeMs ?? 0) < (a.batches[0]?.timeMs ?? 0) ? b : a))
      const batch = oldest.batches.shift()
      if (!batch) break
      taken.push({ topic: oldest.topic, partition: oldest.partition, bytes: batch.bytes, next: batch.next })
      if (oldest.batches.length > 0) continue
      if (oldest.from < oldest.end) break
      filled.splice(filled.indexOf(oldest), 1)
    }
    return taken
  }
}

function startOf(queue: Queue): number {
  return queue.batches[0] ? readBatchHeader(queue.batches[0].bytes).baseOffset : queue.from
}

function placeKey(place: { topic: string; partition: number }): string {
  return `${place.topic}\0${place.partition}`
}
