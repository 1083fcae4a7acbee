import { Chain, ChainLink } from '../runtime/chain.ts'
import type { Clock } from '../runtime/clock.ts'
import type { LinkLimits } from './limits.ts'
import { type Departure, SendingWindow } from './sending-window.ts'

/** So long after it was sent, and overtaken by then, a batch waits at the other end, and not on the way there, ms. */
export const HELD_AFTER_MS = 1_500

/** A batch that is not settled. */
export class Sent extends ChainLink<Sent> {
  readonly departure: Departure
  readonly bytes: number

  constructor(departure: Departure, bytes: number) {
    super()
    this.departure = departure
    this.bytes = bytes
  }
}

/**
 * What of the sent batches takes room on the way. A link keeps the order: once a later one is settled, an earlier one has arrived. If it is not settled for long, it
 * waits there for something of its own (a partition without a leader, a log that refuses it), and the way is free for all others:
 *
 *   ON ITS WAY ──settled──► gone
 *       │ one that was sent later is settled, and it is old
 *       └──► HELD at the other end ──settled──► gone
 *
 * Where such ones fill the window, nothing is sent that could overtake them: then one batch more goes after a while. It may have to wait as well, so that another
 * follows, ever later: on a line that is only slow there are a few too many.
 */
export class OnItsWay {
  readonly #clock: Clock
  readonly #window: SendingWindow
  readonly #bytesMax: number
  /** In the order in which they were sent. */
  readonly #sent = new Chain<Sent>()
  readonly #held = new Chain<Sent>()
  #sentBytes = 0
  #heldBytes = 0
  #settledAtMs: number
  /** How many went since then though there was no room. */
  #probes = 0

  constructor(clock: Clock, limits: Pick<LinkLimits, 'windowBytesMin' | 'windowBytesMax'>) {
    this.#clock = clock
    this.#window = new SendingWindow(clock, limits)
    this.#bytesMax = limits.windowBytesMax
    this.#settledAtMs = clock.monotonicMs()
  }

  /** Batches that are not settled. */
  get batches(): number {
    return this.#sent.size + this.#held.size
  }

  /** Whether there is room for one more. */
  get hasRoom(): boolean {
    return this.#sentBytes < this.#window.bytes && this.#isWithinMemory
  }

  get isLate(): boolean {
    return this.#window.isLate
  }

  /** How long until one may go though there is no room, ms; undefined where that helps nobody. */
  get probeInMs(): number | undefined {
    if (this.#sent.size === 0 || !this.#isWithinMemory) return undefined
    return Math.max(0, this.#settledAtMs + HELD_AFTER_MS * (2 ** (this.#probes + 1) - 1) - this.#clock.monotonicMs())
  }

  get #isWithinMemory(): boolean {
    return this.#sentBytes + this.#heldBytes < this.#bytesMax
  }

  sent(bytes: number): Sent {
    const sent = new Sent(this.#window.sent(), bytes)
    if (this.#sent.size === 0) this.#progressed(sent.departure.atMs)
    if (!this.hasRoom) this.#probes += 1
    this.#sent.push(sent)
    this.#sentBytes += bytes
    return sent
  }

  /** It is known what became of a batch; what is said of it once more counts for nothing. */
  settled(sent: Sent): void {
    if (sent.chain === undefined) return
    const nowMs = this.#clock.monotonicMs()
    if (sent.chain === this.#held) {
      this.#held.remove(sent)
      this.#heldBytes -= sent.bytes
    } else {
      this.#progressed(nowMs)
      this.#hold(sent, nowMs)
      this.#sent.remove(sent)
      this.#sentBytes -= sent.bytes
    }
    this.#window.settled(sent.departure, sent.bytes)
  }

  #progressed(atMs: number): void {
    this.#settledAtMs = atMs
    this.#probes = 0
  }

  /** Those that were sent before this one and are old. */
  #hold(overtaker: Sent, nowMs: number): void {
    for (let sent = this.#sent.first; sent && sent !== overtaker; sent = this.#sent.first) {
      if (nowMs - sent.departure.atMs < HELD_AFTER_MS) return
      this.#sent.remove(sent)
      this.#sentBytes -= sent.bytes
      this.#held.push(sent)
      this.#heldBytes += sent.bytes
    }
  }
}
