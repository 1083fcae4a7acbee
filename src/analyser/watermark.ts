/** A record may be this far in the future and still count: a clock that jumped must not close every window to come. */
export const FUTURE_MAX_MS = 3_600_000

interface Snapshot {
  readonly newest: Readonly<Record<string, number>>
}

/**
 * How far event time has come: the newest record of the source that is furthest behind. A source that is behind by more than the patience
 * holds nobody up: it is silent, or its gateway is cut off.
 */
export class Watermark {
  readonly #patienceMs: number
  readonly #newest = new Map<string, number>()
  #maxMs = Number.NEGATIVE_INFINITY
  /** As long as there is one source, which is what most watches have, there is nothing to look up. */
  #only: string | undefined

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** Takes a record's time; gives the watermark, ms. */
  see(source: string, timeMs: number): number {
    if (source === this.#only) {
      if (timeMs > this.#maxMs) this.#maxMs = timeMs
      return this.#maxMs
    }
    if (this.#newest.size === 0 && this.#only === undefined) {
      this.#only = source
      this.#maxMs = timeMs
      return timeMs
    }
    if (this.#only !== undefined) {
      this.#newest.set(this.#only, this.#maxMs)
      this.#only = undefined
    }
    const before = this.#newest.get(source)
    if (before === undefined || timeMs > before) {
      this.#newest.set(source, timeMs)
      if (timeMs > this.#maxMs) this.#maxMs = timeMs
    }
    let lowest = this.#maxMs
    for (const newest of this.#newest.values()) {
      if (newest < lowest && newest >= this.#maxMs - this.#patienceMs) lowest = newest
    }
    return lowest
  }

  /** Where a record of this time and source would lead; undefined where that is not told by them alone. */
  after(source: string, timeMs: number): number | undefined {
    return source === this.#only ? Math.max(this.#maxMs, timeMs) : undefined
  }

  snapshot(): Snapshot {
    return { newest: this.#only === undefined ? Object.fromEntries(this.#newest) : { [this.#only]: this.#maxMs } }
  }

  restore(snapshot: unknown): void {
    this.#newest.clear()
    this.#only = undefined
    this.#maxMs = Number.NEGATIVE_INFINITY
    for (const [source, timeMs] of Object.entries((snapshot as Snapshot).newest)) this.see(source, timeMs)
  }
}
