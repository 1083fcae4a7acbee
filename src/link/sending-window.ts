import type { Clock } from '../runtime/clock.ts'
import { LINK_LIMITS, type LinkLimits } from './limits.ts'

/**
 * How long what is sent may wait on its way behind what was sent before, beside the time that the way itself takes, ms. Less, and a core that is late by
 * that much, because others need its processor, is not kept busy; more keeps nothing busier, and what is new waits longer behind a backlog.
 */
const QUEUE_MS = 200
/** So long the highest rate counts, ms. */
const RATE_LASTS_MS = 2_000
/** How often the way is measured while nothing waits on it, ms. */
const PROBE_EVERY_MS = 10_000
/**
 * A settlement that takes so many times as long as the way, and so much more, ms, waited behind others at the other end. Longer than `untilMs`, and one batch
 * alone on its way would look like a session on which nothing moves.
 */
const LATE = { times: 2, moreMs: 20, untilMs: 1_500 } as const
/** No settlement is quicker, ms: what a clock does not tell apart. */
const WAY_MS_MIN = 0.1

/** What is remembered of a batch that is sent. */
export interface Departure {
  readonly atMs: number
  readonly settledBytes: number
}

/**
 * How many bytes may be on their way: what the way carries in the time that it takes, and a short queue. After BBR (draft-cardwell-iccrg-bbr-congestion-control):
 * the rate is the highest of late, the time the shortest of late, and now and then so little is sent that no queue is left and the shortest time can be
 * seen again.
 *
 *   MEASURED ──10 s──► PROBING (only the minimum is on its way) ──what was sent in it is settled──► MEASURED
 */
export class SendingWindow {
  readonly #clock: Clock
  readonly #limits: Pick<LinkLimits, 'windowBytesMin' | 'windowBytesMax'>
  #settledBytes = 0
  /** The highest bytes/ms of this span and of the one before. */
  #rates = { now: 0, before: 0, sinceMs: 0 }
  #wayMs: number | undefined
  #tookMs = 0
  #probeAtMs: number
  #probingSinceMs: number | undefined

  constructor(clock: Clock, limits: Pick<LinkLimits, 'windowBytesMin' | 'windowBytesMax'> = LINK_LIMITS) {
    this.#clock = clock
    this.#limits = limits
    this.#probeAtMs = clock.monotonicMs() + PROBE_EVERY_MS
  }

  get bytes(): number {
    const { windowBytesMin, windowBytesMax } = this.#limits
    if (this.#wayMs === undefined || this.#probingSinceMs !== undefined) return windowBytesMin
    const wanted = Math.max(this.#rates.now, this.#rates.before) * (this.#wayMs + QUEUE_MS)
    return Math.min(windowBytesMax, Math.max(windowBytesMin, wanted))
  }

  /** Whether what was settled last had waited at the other end: what is sent now will too. */
  get isLate(): boolean {
    const { times, moreMs, untilMs } = LATE
    return this.#wayMs !== undefined && this.#tookMs > times * this.#wayMs + moreMs && this.#tookMs < untilMs
  }

  sent(): Departure {
    return { atMs: this.#clock.monotonicMs(), settledBytes: this.#settledBytes }
  }

  /** It is known what became of a batch: taken or not, it was at the other end and back. */
  settled(departure: Departure, bytes: number): void {
    const nowMs = this.#clock.monotonicMs()
    const tookMs = Math.max(WAY_MS_MIN, nowMs - departure.atMs)
    this.#settledBytes += bytes
    this.#tookMs = tookMs
    this.#measureRate((this.#settledBytes - departure.settledBytes) / tookMs, nowMs)
    this.#measureWay(tookMs, departure.atMs, nowMs)
  }

  #measureRate(rate: number, nowMs: number): void {
    if (nowMs - this.#rates.sinceMs > RATE_LASTS_MS) this.#rates = { now: 0, before: this.#rates.now, sinceMs: nowMs }
    this.#rates.now = Math.max(this.#rates.now, rate)
  }

  #measureWay(tookMs: number, sentMs: number, nowMs: number): void {
    if (this.#probingSinceMs !== undefined) {
      if (sentMs < this.#probingSinceMs) return
      this.#wayMs = tookMs
      this.#probingSinceMs = undefined
      this.#probeAtMs = nowMs + PROBE_EVERY_MS
      return
    }
    this.#wayMs = Math.min(this.#wayMs ?? tookMs, tookMs)
    if (nowMs >= this.#probeAtMs) this.#probingSinceMs = nowMs
  }
}
