import type { Clock, Timer } from '../../src/runtime/clock.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly call: () => void
}

/** 2026-01-01: so that dates in what a simulation prints look like dates. */
const WALL_START_MS = 1_767_225_600_000

/** Time that passes only when it is told to. Between two timers everything that is ready runs to its end. */
export class SimulatedClock implements Clock {
  #nowMs = 0
  #wallOffsetMs = 0
  #order = 0
  readonly #due = new Set<Due>()

  wallMs(): number {
    return WALL_START_MS + Math.floor(this.#nowMs) + this.#wallOffsetMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, call: () => void): Timer {
    const due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, call }
    this.#due.add(due)
    return { cancel: () => this.#due.delete(due) }
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Lets time pass, timer by timer. */
  async pass(ms: number): Promise<void> {
    const until = this.#nowMs + ms
    await settle()
    for (let due = this.#next(until); due; due = this.#next(until)) {
      this.#due.delete(due)
      this.#nowMs = due.atMs
      due.call()
      await settle()
    }
    this.#nowMs = until
  }

  /** Lets time pass until `look` is true, at most `limitMs`; false where it never was. */
  async passUntil(look: () => boolean, limitMs: number): Promise<boolean> {
    const until = this.#nowMs + limitMs
    await settle()
    for (let due = this.#next(until); !look() && due; due = this.#next(until)) {
      this.#due.delete(due)
      this.#nowMs = due.atMs
      due.call()
      await settle()
    }
    return look()
  }

  /** Lets time pass until some work has ended, at most `limitMs`, and gives what it gave. Rejects where it did not end, or failed. */
  async during<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
    let isDone = false
    const ended = () => {
      isDone = true
    }
    work.then(ended, ended)
    if (!(await this.passUntil(() => isDone, limitMs))) throw new Error(`it did not end within ${limitMs} ms`)
    return work
  }

  #next(untilMs: number): Due | undefined {
    let next: Due | undefined
    for (const due of this.#due) {
      if (due.atMs > untilMs) continue
      if (!next || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due
    }
    return next
  }
}

/** Resolves when no promise is ready to go on. */
function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
