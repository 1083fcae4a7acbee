import type { RecordHeader } from '../record/record.ts'
import type { Boot } from '../runtime/boot.ts'
import type { Clock } from '../runtime/clock.ts'
import { type ClockAtCut, clockStamp } from './event-time.ts'

/** A wall clock before this was never set since the machine started: a gateway without a clock chip begins in 1970, or where its firmware ends. */
export const CLOCK_SET_FROM_MS = Date.UTC(2025, 0, 1)
/** After a start with a clock that is not set, nothing is cut for so long: most are set by the network soon after. */
export const CLOCK_WAIT_MS = 30_000
/** What a record's time may lie beside what the clock can have said. */
const SLACK_MS = 1_000

/** Knows whether the gateway's clock has been set, and marks what was recorded before it was. */
export class ClockWatch {
  readonly #clock: Clock
  readonly #boot: Boot
  readonly #startedMs: number
  /** Wall clock minus time since boot, while the clock was not set; undefined where it always was. */
  #unsetOffsetMs: number | undefined

  constructor(clock: Clock, boot: Boot) {
    this.#clock = clock
    this.#boot = boot
    this.#startedMs = clock.monotonicMs()
    this.#look()
  }

  /** Cutting waits for the clock: what is cut does not change any more. */
  get isAwaited(): boolean {
    return this.#clock.monotonicMs() - this.#startedMs < CLOCK_WAIT_MS && !this.#look()
  }

  /** The mark of a record whose time the gateway's unset clock gave; undefined for all others. */
  stampFor(timeMs: number): RecordHeader | undefined {
    if (timeMs >= CLOCK_SET_FROM_MS) return undefined
    this.#look()
    const offsetMs = this.#unsetOffsetMs
    if (offsetMs === undefined) return undefined
    // A device may well tell a time of long ago: only what this clock can have said since the boot is taken for its.
    const isOurs = timeMs >= offsetMs - SLACK_MS && timeMs <= offsetMs + this.#boot.sinceBootMs() + SLACK_MS
    return isOurs ? clockStamp(this.#boot.id, offsetMs) : undefined
  }

  /** What the clock says now, for a commit. */
  atCut(): ClockAtCut {
    const nowMs = Math.floor(this.#clock.wallMs())
    const isSet = nowMs >= CLOCK_SET_FROM_MS
    return { bootId: this.#boot.id, ...(isSet && { set: { nowMs, offsetMs: nowMs - this.#boot.sinceBootMs() } }) }
  }

  /** Whether the clock is set now. */
  #look(): boolean {
    const nowMs = this.#clock.wallMs()
    if (nowMs >= CLOCK_SET_FROM_MS) return true
    this.#unsetOffsetMs = Math.floor(nowMs - this.#boot.sinceBootMs())
    return false
  }
}
