import type { Clock, Timer } from '../runtime/clock.ts'
import { POLL_FD_BYTES, POLL_IN, type Poll } from '../runtime/system-poll.ts'

/** A device that is read twice within so many times what its port gathers speaks all the time; one that has had nothing to say for as long is waited for by itself. */
export const SPEAKS_WITHIN = 4
/** A look that is due within this part of what a port gathers is made with the others. */
const TOGETHER_SHARE = 1 / 2

interface Waiting {
  readonly fd: number
  readonly gatherMs: number
  readonly quietAtMs: number
  dueMs: number
  readonly resolve: (isReadable: boolean) => void
}

/**
 * Looks at the ports of all devices that speak all the time by one call of the system, for each time that they are left alone. To wait for each by itself takes, for each line of
 * a device: a timer, a read that finds nothing and says so by an exception, and a wait for the port in the event loop.
 *
 * Ports that are due soon are looked at with those that are due now, so that after a few turns all are due in one moment.
 */
export class PortSweep {
  readonly #poll: Poll
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()
  #fds = Buffer.alloc(0)
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY

  constructor(poll: Poll, clock: Clock) {
    this.#poll = poll
    this.#clock = clock
  }

  /** Resolves, once the port was left alone for at most so long, with whether there is something to read, an end or an error; or when it has said nothing for a while, or is given up. */
  left(fd: number, gatherMs: number, signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs()
    return new Promise(resolve => {
      const dueMs = nowMs + gatherMs
      if (signal.aborted) return resolve(false)
      this.#waiting.add({ fd, gatherMs, dueMs, quietAtMs: nowMs + SPEAKS_WITHIN * gatherMs, resolve })
      this.#sleepUntil(dueMs)
    })
  }

  /** Those that wait find out by themselves. */
  close(): void {
    this.#timer?.cancel()
    for (const { resolve } of this.#waiting) resolve(false)
    this.#waiting.clear()
  }

  #sleepUntil(dueMs: number): void {
    if (dueMs >= this.#timerMs) return
    this.#timer?.cancel()
    this.#timerMs = dueMs
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#look())
  }

  #look(): void {
    this.#timerMs = Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonicMs()
    const due = [...this.#waiting].filter(({ dueMs, gatherMs }) => dueMs <= nowMs + gatherMs * TOGETHER_SHARE)
    this.#askFor(due)
    for (const [index, each] of due.entries()) {
      const isReadable = this.#fds.readInt16LE(index * POLL_FD_BYTES + 6) !== 0
      if (!isReadable && nowMs < each.quietAtMs) {
        each.dueMs = nowMs + each.gatherMs
        continue
      }
      this.#waiting.delete(each)
      each.resolve(isReadable)
    }
    if (this.#waiting.size > 0) this.#sleepUntil(Math.min(...[...this.#waiting].map(({ dueMs }) => dueMs)))
  }

  #askFor(due: readonly Waiting[]): void {
    if (this.#fds.length < due.length * POLL_FD_BYTES) this.#fds = Buffer.alloc(2 * due.length * POLL_FD_BYTES)
    for (const [index, { fd }] of due.entries()) {
      this.#fds.writeInt32LE(fd, index * POLL_FD_BYTES)
      this.#fds.writeInt16LE(POLL_IN, index * POLL_FD_BYTES + 4)
      this.#fds.writeInt16LE(0, index * POLL_FD_BYTES + 6)
    }
    this.#poll(this.#fds, due.length, 0)
  }
}
