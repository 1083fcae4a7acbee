import type { Clock, Timer } from '../runtime/clock.ts'

/** How often those are looked at whose turn it is, ms. */
const TICK_MS = 2
/** Ticks until somebody is looked at again, at the most: each time twice as many, or ten thousand that wait for the log would take all of a processor. */
const PAUSE_TICKS_MAX = 50

interface Waiting {
  readonly hasRoom: () => boolean
  readonly go: () => void
  pauseTicks: number
}

/**
 * Those sources of a process that wait for room in their buffers. They share one timer: with one for each, made anew for each look, those that wait cost more than
 * those that work.
 */
export class RoomLooks {
  readonly #clock: Clock
  /** Who is looked at in which of the next ticks, in a ring. */
  readonly #ticks: Waiting[][] = Array.from({ length: PAUSE_TICKS_MAX + 1 }, () => [])
  #now = 0
  #waiting = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves once it says so; it is asked now and then. */
  room(hasRoom: () => boolean): Promise<void> {
    return new Promise(go => {
      this.#waiting += 1
      this.#lookLater({ hasRoom, go, pauseTicks: 1 })
      this.#timer ??= this.#tickLater()
    })
  }

  /** Nobody waits any more. */
  close(): void {
    this.#timer?.cancel()
  }

  #tickLater(): Timer {
    return this.#clock.after(TICK_MS, () => {
      this.#tick()
      this.#timer = this.#waiting > 0 ? this.#tickLater() : undefined
    })
  }

  #tick(): void {
    this.#now = (this.#now + 1) % this.#ticks.length
    const due = this.#ticks[this.#now] ?? []
    this.#ticks[this.#now] = []
    for (const waiting of due) {
      if (waiting.hasRoom()) {
        this.#waiting -= 1
        waiting.go()
      } else {
        waiting.pauseTicks = Math.min(PAUSE_TICKS_MAX, waiting.pauseTicks * 2)
        this.#lookLater(waiting)
      }
    }
  }

  #lookLater(waiting: Waiting): void {
    this.#ticks[(this.#now + waiting.pauseTicks) % this.#ticks.length]?.push(waiting)
  }
}
