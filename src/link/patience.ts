/** No credit with nothing on its way for so long: the session leads nowhere. */
const STARVED_AFTER_MS = 500
/** Nothing accepted for so long, with work pending: the first time, and at the most. A fruitless session doubles it, so that an ailing core is left in peace. */
const STALLED_AFTER_MS = { first: 3_000, max: 30_000 }

/** Judges over a session's life whether it still serves, by what was accepted and what there was to send. */
export class Patience {
  #fruitless = 0
  #progressAtMs = 0
  #starvedSinceMs: number | undefined
  #silenceMs = 0

  /** A session begins. `silenceMs`: for so long the core may hold it back because of a quota, as it said at the opening. */
  begin(nowMs: number, silenceMs = 0): void {
    this.#silenceMs = silenceMs
    this.#progressAtMs = nowMs
    this.#starvedSinceMs = undefined
  }

  accepted(nowMs: number): void {
    this.#progressAtMs = nowMs
    this.#fruitless = 0
  }

  /** Why the session should be opened anew; undefined while it serves. */
  lost(nowMs: number, facts: { pending: boolean; starved: boolean }): string | undefined {
    if (!facts.pending) this.#progressAtMs = nowMs
    this.#starvedSinceMs = facts.pending && facts.starved ? (this.#starvedSinceMs ?? nowMs) : undefined
    if (this.#starvedSinceMs !== undefined && nowMs - this.#starvedSinceMs >= Math.max(STARVED_AFTER_MS, this.#silenceMs))
      return this.#fruitlessly('no credit')
    const patienceMs = Math.min(STALLED_AFTER_MS.max, STALLED_AFTER_MS.first * 2 ** Math.min(this.#fruitless, 10))
    const limitMs = Math.max(patienceMs, this.#silenceMs)
    const silentMs = nowMs - this.#progressAtMs
    return silentMs >= limitMs ? this.#fruitlessly(`nothing was accepted for ${Math.round(silentMs)} ms`) : undefined
  }

  #fruitlessly(why: string): string {
    this.#fruitless += 1
    return why
  }
}
