/** Full collections within this time are one: what is asked for as a last resort (`garbage.ts`) is done twice, ms. */
const TWICE_MS = 20
/** Full collections of a thread within this time of one another are often, ms. */
const OFTEN_MS = 1_000
/** That holds for a heap in which so much lives, bytes: in one of twice as much a collection takes twice as long, and twice as seldom is often. */
const OFTEN_BYTES = 20 * 2 ** 20
/** So many of them in a row: the thread is busy. What a start brings, or the backlog of seconds, are fewer. */
const OFTEN_TIMES = 4
/** None for so long: it is not any more, ms; longer with a large heap, in the same measure. */
export const SELDOM_MS = 10_000

/**
 * Whether a thread is busy, as its full collections tell: nothing, until it collects often; then until it collects seldom. What is often is a matter of what a collection takes, and that grows with
 * what lives. Times in monotonic ms.
 */
export class Busyness {
  #lastMs = Number.NEGATIVE_INFINITY
  #inARow = 0
  #isBusy = false
  /** How much longer than with a small heap a collection takes. */
  #scale = 1

  /** There was a full collection, which left so much. */
  collected(atMs: number, livingBytes: number): boolean {
    const sinceMs = atMs - this.#lastMs
    if (sinceMs < TWICE_MS) return this.#isBusy
    this.looked(atMs)
    this.#lastMs = atMs
    this.#scale = Math.max(1, livingBytes / OFTEN_BYTES)
    this.#inARow = sinceMs < OFTEN_MS * this.#scale ? this.#inARow + 1 : 0
    this.#isBusy ||= this.#inARow >= OFTEN_TIMES
    return this.#isBusy
  }

  /** There was none since. */
  looked(nowMs: number): boolean {
    if (nowMs - this.#lastMs >= SELDOM_MS * this.#scale) this.#isBusy = false
    return this.#isBusy
  }
}
