/**
 * How much was written of states, and whether it should be made short. What was found when they were opened counts as well: a process that is often started
 * anew would else never come to it.
 */
export class StateLength {
  readonly #longFrom: number
  #written: number
  /** So much was written when it was made short last: of much that counts the half may be old. */
  #short = 0

  constructor(longFrom: number, found: number) {
    this.#longFrom = longFrom
    this.#written = found
  }

  add(written: number): void {
    this.#written += written
  }

  get isLong(): boolean {
    return this.#written > Math.max(this.#longFrom, this.#short)
  }

  /** What is written from now on is all that counts. Returns what to call once it has been written. */
  startAnew(): () => void {
    this.#written = 0
    return () => {
      this.#short = this.#written
      this.#written = 0
    }
  }
}
