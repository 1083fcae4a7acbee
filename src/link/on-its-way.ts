import type { Clock } from '../runtime/clock.ts'
import type { LinkLimits } from './limits.ts'
import { type Departure, SendingWindow } from './sending-window.ts'

/** So long after it was sent, and overtaken by then, a batch waits at the other end, and not on the way there, ms. */
export const HELD_AFTER_MS = 1_500

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
  /** Bytes of each that is on its way, in the order in which they were sent. */
  readonly #sent = new Map<Departure, number>()
  readonly #held = new Map<Departure, number>()
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

  sent(bytes: number): Departure {
    const departure = this.#window.sent()
    if (this.#sent.size === 0) this.#progressed(departure.atMs)
    if (!this.hasRoom) this.#probes += 1
    this.#sent.set(departure, bytes)
    this.#sentBytes += bytes
    return departure
  }

  /** It is known what became of a batch. */
  settled(departure: Departure): void {
    const nowMs = this.#clock.monotonicMs()
    const held = this.#held.get(departure)
    const bytes = held ?? this.#sent.get(departure) ?? 0
    if (held === undefined) {
      this.#progressed(nowMs)
      this.#hold(departure, nowMs)
      this.#sent.delete(departure)
      this.#sentBytes -= bytes
    } else {
      this.#held.delete(departure)
      this.#heldBytes -= bytes
    }
    this.#window.settled(departure, bytes)
  }

  #progressed(atMs: number): void {
    this.#settledAtMs = atMs
    this.#probes = 0
  }

  /** Those that were sent before this one and are old. */
  #hold(overtaker: Departure, nowMs: number): void {
    for (const [departure, bytes] of this.#sent) {
      if (departure === overtaker || nowMs - departure.atMs < HELD_AFTER_MS) return
      this.#sent.delete(departure)
      this.#sentBytes -= bytes
      this.#held.set(departure, bytes)
      this.#heldBytes += bytes
    }
  }
}
