import type { Alarms } from '../runtime/alarms.ts'
import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'

/** How often a hole is looked at, and how long until its numbers are asked for once more, ms. */
const LOOK_EVERY_MS = 1_000
const ASK_AGAIN_AFTER = { firstMs: 2_000, maxMs: 60_000 }
/** Ranges that a gateway has no more and that are kept in mind; it says them again when it is asked again. */
const GONE_RANGES_MAX = 64

export interface Range {
  readonly from: number
  /** The number after the last. */
  readonly to: number
}

export interface MissingNumbersDeps {
  /** `<gateway>/<source>`. */
  readonly source: string
  /** Reads the partition's end; undefined where it cannot be read now. */
  readonly readEnd: () => Promise<number | undefined>
  readonly ask: (range: Range) => void
  /** Puts a placeholder in the place of numbers that nobody has any more. */
  readonly fill: (range: Range) => void
  /** The end was read, or something was filled: all is to be looked at anew. */
  readonly changed: () => void
  readonly mayFill: (missingForMs: number) => boolean
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  readonly signal: AbortSignal
}

/**
 * The hole between what a source's partition holds and what came of it. While there is one, its numbers are asked for, and the end is read again: they
 * may come some other way.
 */
export class MissingNumbers {
  readonly #deps: MissingNumbersDeps
  readonly #askBackoff: Backoff
  #hole: (Range & { readonly sinceMs: number }) | undefined
  #askAtMs = 0
  #gone: readonly Range[] = []

  constructor(deps: MissingNumbersDeps) {
    this.#deps = deps
    this.#askBackoff = new Backoff(ASK_AGAIN_AFTER, deps.random)
  }

  /** What came next begins at `to`, the partition ends at `from`. */
  found({ from, to }: Range): void {
    const { clock, alarms, source, logger } = this.#deps
    const before = this.#hole
    this.#hole = { from, to, sinceMs: before?.sinceMs ?? clock.monotonicMs() }
    alarms.raise('numbers_missing', {
      source,
      message: `Numbers ${from}…${to - 1} of ${source} are neither in the log nor came from the broker; what follows them is parked.`,
      advice:
        'The gateway is asked for them by itself. Look whether it can reach the broker, and whether the broker lost messages.',
    })
    // Something came of what was asked for: the rest is asked for at once.
    if (before && from > before.from) this.#askAtMs = 0
    if (before) return
    logger.warn({ from, to }, 'numbers are missing')
    this.#askBackoff.reset()
    this.#askAtMs = 0
    void this.#watch()
  }

  /** The partition has all numbers below `next`. */
  reached(next: number): void {
    if (this.#hole && next >= this.#hole.to) this.clear()
  }

  /** The gateway says that it has these numbers no more. */
  gone(range: Range): void {
    if (!this.#hole || !(range.from < range.to) || !Number.isSafeInteger(range.to)) return
    this.#deps.logger.warn({ ...range }, 'the gateway has these numbers no more')
    this.#gone = [...this.#gone.filter(({ from }) => from !== range.from), range].slice(-GONE_RANGES_MAX)
  }

  clear(): void {
    this.#hole = undefined
    this.#gone = []
    this.#deps.alarms.clear('numbers_missing', this.#deps.source)
  }

  async #watch(): Promise<void> {
    const { clock, signal, ask, readEnd, changed } = this.#deps
    while (this.#hole && !signal.aborted) {
      if (clock.monotonicMs() >= this.#askAtMs) {
        this.#askAtMs = clock.monotonicMs() + this.#askBackoff.nextMs()
        ask(this.#hole)
      }
      await pause(clock, LOOK_EVERY_MS, signal).catch(() => {})
      const next = await readEnd()
      if (next === undefined || !this.#hole) continue
      this.reached(next)
      if (this.#hole) this.#fill(this.#hole, next)
      changed()
    }
  }

  /** Numbers that nobody has any more get a placeholder; only where none of them can lie in a broker that is away. */
  #fill(hole: Range & { readonly sinceMs: number }, next: number): void {
    const { clock, mayFill, fill } = this.#deps
    const known = this.#gone.find(({ from, to }) => from <= next && next < to)
    if (known && mayFill(clock.monotonicMs() - hole.sinceMs)) fill({ from: next, to: Math.min(known.to, hole.to) })
  }
}
