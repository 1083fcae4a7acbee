/** A message of a gateway's queue in a broker. */
export interface StoredDelivery {
  readonly bytes: Buffer
  readonly properties: Readonly<Record<string, string | number>>
  /** False when the connection it came on is gone: the broker gives it again. */
  readonly alive: boolean
  accept(): void
}

/** A batch that is here and not known to be in the log. Exactly one of `held`, `parkedAs` and `made` is set. */
export interface Item {
  readonly sequence: number
  readonly count: number
  readonly epoch: number
  readonly crc: number
  /** `offered`: it waits at the gate. */
  state: 'waiting' | 'offered'
  /** The broker has it too, until this is accepted. */
  held?: StoredDelivery | undefined
  /** It lies on disk here, and the broker has forgotten it. */
  parkedAs?: number | undefined
  /** A placeholder that was made here. */
  made?: Buffer
}

/** The batches of one source that are here, by sequence; of equal ones in the order in which they came. */
export class AtHand {
  readonly #items: Item[] = []

  add(item: Item): void {
    let at = this.#items.length
    while (at > 0 && (this.#items[at - 1]?.sequence ?? 0) > item.sequence) at -= 1
    this.#items.splice(at, 0, item)
  }

  remove(item: Item): void {
    const at = this.#items.indexOf(item)
    if (at >= 0) this.#items.splice(at, 1)
  }

  /** Of an epoch or a later one. */
  first(count: number, epoch: number): readonly Item[] {
    const first: Item[] = []
    for (const item of this.#items) {
      if (item.epoch >= epoch) first.push(item)
      if (first.length === count) break
    }
    return first
  }

  /** Those that the broker has too and that are not at the gate, but for the first `skip` of all. */
  held(skip: number): readonly Item[] {
    return this.#items.slice(skip).filter(item => item.held?.alive && item.state === 'waiting')
  }

  /** Whether this very batch lies on disk already. */
  isKept({ sequence, count, epoch, crc }: Item): boolean {
    return this.#items.some(
      item =>
        item.parkedAs !== undefined &&
        item.sequence === sequence &&
        item.count === count &&
        item.epoch === epoch &&
        item.crc === crc,
    )
  }

  /** Forgets what the broker will give again, as far as it is at the front: the rest gets there. */
  dropDead(): void {
    const isDead = (item: Item | undefined) => item?.held !== undefined && !item.held.alive && item.state === 'waiting'
    while (isDead(this.#items[0])) this.#items.shift()
  }

  belowEpoch(epoch: number): readonly Item[] {
    return this.#items.filter(item => item.epoch < epoch && item.state === 'waiting')
  }
}
