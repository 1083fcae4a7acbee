import type { Clock } from '../../runtime/clock.ts'

/** A broker that wants to be left in peace for longer is asked again all the same, ms. */
const REST_MAX_MS = 300_000

/**
 * Connections on which a broker wants to be left in peace: somebody has used up a quota (KIP-219). It answers what it has done, says for how long, and
 * reads nothing of that connection meanwhile.
 */
export class Rests {
  readonly #clock: Clock
  readonly #untilMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A broker has said so. */
  begin(connection: string, forMs: number): void {
    const untilMs = this.#clock.monotonicMs() + Math.min(forMs, REST_MAX_MS)
    if (forMs > 0) this.#untilMs.set(connection, Math.max(untilMs, this.untilMs(connection)))
  }

  /** Monotonic, ms. */
  untilMs(connection: string): number {
    return this.#untilMs.get(connection) ?? Number.NEGATIVE_INFINITY
  }

  /** Resolves when something may be written. */
  async over(connection: string): Promise<void> {
    for (;;) {
      const leftMs = this.untilMs(connection) - this.#clock.monotonicMs()
      if (leftMs <= 0) return
      await new Promise<void>(resolve => this.#clock.after(leftMs, resolve, 'background'))
    }
  }
}
