import type { Clock, Timer } from '../runtime/clock.ts'
import { POLL_FD_BYTES, POLL_IN, type Poll } from '../runtime/system-poll.ts'

/** A device that is read twice within so many times what its port gathers speaks all the time; one that has had nothing to say for as long is waited for by itself. */
export const SPEAKS_WITHIN = 4
/** A look that is due within this part of what a port gathers is made with the others. */
const TOGETHER_SHARE = 1 / 2

/** Reads what is there. Gives for how long the port is left alone then, ms; undefined where it is not to be looked at here any more. */
export type ReadSwept = () => number | undefined

interface Port {
  readonly fd: number
  readonly signal: AbortSignal
  readonly read: ReadSwept
  readonly over: PromiseWithResolvers<void>
  gatherMs: number
  dueMs: number
  quietAtMs: number
  isOver: boolean
}

/**
 * Looks at the ports of all devices that speak all the time by one call of the system, for each time that they are left alone. To wait for each by itself takes, for each line of
 * a device: a timer, a read that finds nothing and says so by an exception, and a wait for the port in the event loop. What a port has is read here and now: a promise for each read would be
 * most of what five thousand of them a second leave behind.
 *
 * Ports that are due soon are looked at with those that are due now, so that after a few turns all are due in one moment.
 */
export class PortSweep {
  readonly #poll: Poll
  readonly #clock: Clock
  #ports: Port[] = []
  /** Those that are looked at just now. */
  readonly #due: Port[] = []
  #fds = Buffer.alloc(0)
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY

  constructor(poll: Poll, clock: Clock) {
    this.#poll = poll
    this.#clock = clock
  }

  /**
   * Calls `read` whenever the port was left alone for at most so long and there is something to read, an end or an error. Resolves when it has said nothing for a while, `read` wants no
   * more, or it is given up; rejects with what `read` throws.
   */
  follow(fd: number, gatherMs: number, signal: AbortSignal, read: ReadSwept): Promise<void> {
    const over = Promise.withResolvers<void>()
    const port: Port = { fd, signal, read, over, gatherMs: 0, dueMs: 0, quietAtMs: 0, isOver: signal.aborted }
    if (port.isOver) over.resolve()
    else {
      leaveAlone(port, this.#clock.monotonicMs(), gatherMs)
      this.#ports.push(port)
      this.#sleepUntil(port.dueMs)
    }
    return over.promise
  }

  /** Those that wait find out by themselves. */
  close(): void {
    this.#timer?.cancel()
    for (const { over } of this.#ports.splice(0)) over.resolve()
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
    const due = this.#due
    due.length = 0
    for (const port of this.#ports) if (port.dueMs <= nowMs + port.gatherMs * TOGETHER_SHARE) due.push(port)
    this.#askFor(due)
    let isSomeOver = false
    for (let index = 0; index < due.length; index++) {
      const port = due[index] as Port
      this.#turn(port, nowMs, this.#fds.readInt16LE(index * POLL_FD_BYTES + 6) !== 0)
      isSomeOver ||= port.isOver
    }
    if (isSomeOver) this.#ports = this.#ports.filter(({ isOver }) => !isOver)
    let nextMs = Number.POSITIVE_INFINITY
    for (const { dueMs } of this.#ports) nextMs = Math.min(nextMs, dueMs)
    if (nextMs < Number.POSITIVE_INFINITY) this.#sleepUntil(nextMs)
  }

  #turn(port: Port, nowMs: number, isReadable: boolean): void {
    if (!isReadable && nowMs < port.quietAtMs) {
      port.dueMs = nowMs + port.gatherMs
      return
    }
    try {
      const gatherMs = isReadable && !port.signal.aborted ? port.read() : undefined
      if (gatherMs !== undefined) {
        leaveAlone(port, nowMs, gatherMs)
        return
      }
      port.over.resolve()
    } catch (error) {
      port.over.reject(error)
    }
    port.isOver = true
  }

  #askFor(due: readonly Port[]): void {
    if (this.#fds.length < due.length * POLL_FD_BYTES) this.#fds = Buffer.alloc(2 * due.length * POLL_FD_BYTES)
    for (let index = 0; index < due.length; index++) {
      this.#fds.writeInt32LE((due[index] as Port).fd, index * POLL_FD_BYTES)
      this.#fds.writeInt16LE(POLL_IN, index * POLL_FD_BYTES + 4)
      this.#fds.writeInt16LE(0, index * POLL_FD_BYTES + 6)
    }
    this.#poll(this.#fds, due.length, 0)
  }
}

function leaveAlone(port: Port, nowMs: number, gatherMs: number): void {
  port.gatherMs = gatherMs
  port.dueMs = nowMs + gatherMs
  port.quietAtMs = nowMs + SPEAKS_WITHIN * gatherMs
}
