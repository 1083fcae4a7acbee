/** Looks over which a rate is taken: devices that speak once in some seconds would flicker otherwise. */
const LOOKS = 8

/** How fast counters rise, each a second. */
export class RateMeter {
  readonly #counts = new Map<string, { timeMs: number; count: number }[]>()

  take(name: string, timeMs: number, count: number): { perSecond: number; moved: boolean } {
    const counts = this.#counts.get(name) ?? []
    this.#counts.set(name, counts)
    const last = counts.at(-1)
    counts.push({ timeMs, count })
    if (counts.length > LOOKS + 1) counts.shift()
    const [oldest] = counts
    const spanMs = oldest ? timeMs - oldest.timeMs : 0
    const perSecond = oldest && spanMs > 0 ? Math.max(0, ((count - oldest.count) * 1_000) / spanMs) : 0
    return { perSecond, moved: last !== undefined && last.count !== count }
  }
}
