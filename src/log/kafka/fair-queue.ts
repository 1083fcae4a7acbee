import type { Place } from '../log.ts'

/** Batches in one request, each of another partition: however small they are, a broker has to touch a partition for each, and what comes next on the connection waits. */
export const BATCHES_PER_REQUEST_MAX = 500

/** What waits to be sent to a broker. */
export interface Queued {
  readonly place: Place
  readonly batch: { readonly bytes: Buffer }
  /** Who shares the broker: a gateway. */
  readonly sharer: string
}

interface Taken<Item> {
  readonly items: Item[]
  bytes: number
  readonly partitions: Map<string, Set<number>>
}

/** Shares a broker out over those who append through it: each gives one batch in turn, in the order in which its own came. */
export class FairQueue<Item extends Queued> {
  /** Whose turn is next comes first. */
  readonly #bySharer = new Map<string, Item[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: Item): void {
    const own = this.#bySharer.get(item.sharer)
    if (own) own.push(item)
    else this.#bySharer.set(item.sharer, [item])
    this.#size += 1
  }

  /**
   * Takes one batch of each partition at the most, within the bytes of a request and {@link BATCHES_PER_REQUEST_MAX}; a batch that is larger by itself goes alone. With `may`, only those of which
   * it says so, and none past an earlier one of its partition.
   */
  take(bytesMax: number, may?: (item: Item) => boolean): Item[] {
    const taken: Taken<Item> = { items: [], bytes: 0, partitions: new Map() }
    for (let took = true; took; ) {
      took = false
      // Each that is served goes behind all others, so that a request that is full does not begin with the same one again.
      for (const sharer of [...this.#bySharer.keys()]) took = this.#takeOne(sharer, taken, { bytesMax, may }) || took
    }
    return taken.items
  }

  /** Takes out all of which it says so. */
  takeOut(which: (item: Item) => boolean): Item[] {
    const out: Item[] = []
    for (const [sharer, own] of this.#bySharer) {
      const kept: Item[] = []
      for (const item of own) (which(item) ? out : kept).push(item)
      if (kept.length > 0) this.#bySharer.set(sharer, kept)
      else this.#bySharer.delete(sharer)
    }
    this.#size -= out.length
    return out
  }

  #takeOne(
    sharer: string,
    taken: Taken<Item>,
    limits: { bytesMax: number; may: ((item: Item) => boolean) | undefined },
  ): boolean {
    if (taken.items.length >= BATCHES_PER_REQUEST_MAX) return false
    const own = this.#bySharer.get(sharer) ?? []
    const at = own.findIndex(
      (item, index) =>
        !taken.partitions.get(item.place.topic)?.has(item.place.partition) &&
        (!limits.may || (limits.may(item) && isFirst(own, index))),
    )
    const item = own[at]
    if (!item) return false
    const { topic, partition } = item.place
    const { length } = item.batch.bytes
    if (taken.items.length > 0 && taken.bytes + length > limits.bytesMax) return false
    own.splice(at, 1)
    this.#size -= 1
    this.#bySharer.delete(sharer)
    if (own.length > 0) this.#bySharer.set(sharer, own)
    taken.items.push(item)
    taken.bytes += length
    const partitions = taken.partitions.get(topic) ?? new Set()
    taken.partitions.set(topic, partitions.add(partition))
    return true
  }
}

/** Whether no earlier one is of the same partition. */
function isFirst(items: readonly Queued[], index: number): boolean {
  const { topic, partition } = (items[index] as Queued).place
  return items.findIndex(({ place }) => place.partition === partition && place.topic === topic) === index
}
