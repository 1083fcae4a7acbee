/** A peer that has begun frames or messages and not ended them. */
export interface Holder {
  /** Ends the peer's connection. */
  cutOff(): void
}

/**
 * Bounds what all peers of a listener together have begun and not ended. Where they hold more, whoever has ended nothing for the longest time is cut
 * off: one that means to be served ends what it begins.
 */
export class UnfinishedBytes {
  readonly #maxBytes: number
  /** Longest without progress first. */
  readonly #holders = new Map<Holder, number>()
  #total = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get totalBytes(): number {
    return this.#total
  }

  /** What the holder has begun now; `progress`: it has ended something since it was looked at last. */
  set(holder: Holder, bytes: number, progress: 'progress' | 'none'): void {
    const before = this.#holders.get(holder) ?? 0
    this.#total += bytes - before
    if (bytes === 0 || progress === 'progress') this.#holders.delete(holder)
    if (bytes > 0) this.#holders.set(holder, bytes)
    while (this.#total > this.#maxBytes) {
      const [stalest] = this.#holders.keys()
      if (!stalest) return
      this.forget(stalest)
      stalest.cutOff()
    }
  }

  forget(holder: Holder): void {
    this.#total -= this.#holders.get(holder) ?? 0
    this.#holders.delete(holder)
  }
}
