import type { Clock, Timer } from '../runtime/clock.ts'

/**
 * When the next commit happens. A sooner wish moves it forward, a later one changes nothing:
 *
 *   IDLE ──at(t)──► SET(t) ──at(sooner)──► SET(sooner) ──its time──► IDLE, and the call is made
 */
export class CommitTimer {
  readonly #clock: Clock
  readonly #call: () => void
  #dueMs = Number.POSITIVE_INFINITY
  #timer: Timer | undefined

  constructor(clock: Clock, call: () => void) {
    this.#clock = clock
    this.#call = call
  }

  /** Calls at `dueMs` of the monotonic clock, or as soon as what is going on now has ended where that is past. */
  at(dueMs: number): void {
    if (dueMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    const delayMs = dueMs - this.#clock.monotonicMs()
    if (delayMs > 0) {
      this.#timer = this.#clock.after(delayMs, () => this.#fire())
      return
    }
    let cancelled = false
    this.#timer = { cancel: () => (cancelled = true) }
    setImmediate(() => {
      if (!cancelled) this.#fire()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dueMs = Number.POSITIVE_INFINITY
  }

  #fire(): void {
    this.#timer = undefined
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#call()
  }
}
