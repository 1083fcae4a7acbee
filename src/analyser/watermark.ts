/** A record may be this far in the future and still count: a clock that jumped must not close every window to come. */
export const FUTURE_MAX_MS = 3_600_000

interface Snapshot {
  readonly newest: Readonly<Record<string, number>>
}

/**
 * How far event time has come: the newest record of the source that is furthest behind. A source that is behind by more than the patience
 * holds nobody up: it is silent, or its gateway is cut off. Of several together, none is further than the wall clock: a source whose clock
 * is fast would have all others behind for good.
 */
export class Watermark {
  readonly #patienceMs: number
  readonly #isShared: boolean
  readonly #newest = new Map<string, number>()
  #maxMs = Number.NEGATIVE_INFINITY
  /** As long as there is one source, which is what most watches have, there is nothing to look up. */
  #only: string | undefined

  /** `sources`: whether it may be of several. */
  constructor(patienceMs: number, sources: 'one' | 'several') {
    this.#patienceMs = patienceMs
    this.#isShared = sources === 'several'
  }

  /** Takes a record's time, and the wall clock when it was read; gives the watermark, ms. */
  see(source: string, timeMs: number, nowMs: number): number {
    if (source === this.#only) {
      if (timeMs > this.#maxMs) this.#maxMs = timeMs
      return this.#bounded(this.#maxMs, nowMs)
    }
    if (this.#newest.size === 0 && this.#only === undefined) {
      this.#only = source
      this.#maxMs = timeMs
      return this.#bounded(timeMs, nowMs)
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
    const aheadMs = this.#bounded(this.#maxMs, nowMs)
    let lowest = aheadMs
    for (const newest of this.#newest.values()) {
      if (newest < lowest && newest >= aheadMs - this.#patienceMs) lowest = newest
    }
    return lowest
  }

  /** Where a record of this time and source would lead; undefined where that is not told by them alone. */
  after(source: string, timeMs: number, nowMs: number): number | undefined {
    const ms = Math.max(this.#maxMs, timeMs)
    return source === this.#only && this.#bounded(ms, nowMs) === ms ? ms : undefined
  }

  #bounded(ms: number, nowMs: number): number {
    return this.#isShared ? Math.min(ms, nowMs) : ms
  }

  snapshot(): Snapshot {
    return { newest: this.#only === undefined ? Object.fromEntries(this.#newest) : { [this.#only]: this.#maxMs } }
  }

  restore(snapshot: unknown): void {
    this.#newest.clear()
    this.#only = undefined
    this.#maxMs = Number.NEGATIVE_INFINITY
    for (const [source, timeMs] of Object.entries((snapshot as Snapshot).newest)) this.see(source, timeMs, timeMs)
  }
}
