import { offsetBehind } from './batch-end.ts'
import type { Cursor, Fetched, FetchLimits, Follower, Log, Place } from './log.ts'
import { placeKey } from './place-key.ts'

/** A follower for a log that has no better way than to be asked for all partitions each time. */
export class PollingFollower implements Follower {
  readonly #log: Pick<Log, 'fetch'>
  readonly #cursors = new Map<string, Cursor>()

  constructor(log: Pick<Log, 'fetch'>) {
    this.#log = log
  }

  /** What was read goes behind all others: where a fetch does not reach to all of them, it would begin with the same ones again. */
  follow({ topic, partition, from }: Cursor): void {
    const place = { topic, partition }
    this.leave(place)
    this.#cursors.set(placeKey(place), { ...place, from })
  }

  leave(place: Place): void {
    this.#cursors.delete(placeKey(place))
  }

  async fetch(limits: FetchLimits): Promise<Fetched[]> {
    const found = await this.#log.fetch([...this.#cursors.values()], limits)
    for (const { topic, partition, batches } of found) {
      const last = batches.at(-1)
      if (!last) continue
      this.follow({ topic, partition, from: offsetBehind(last) })
    }
    return found
  }

  close(): void {
    this.#cursors.clear()
  }
}
