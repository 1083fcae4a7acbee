import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** So much may lie about beside what lives, at the most, bytes. */
const GARBAGE_BYTES_MAX = 48 * 2 ** 20
/** And so much of what lives, percent: V8's own highest. */
const PERCENT_MAX = 300
/** Where less would be allowed than V8 allows by itself, it is left to it. */
const PERCENT_MIN = 50
/** Full collections within this time are one: what is asked for as a last resort (`garbage.ts`) is done twice, ms. */
const TWICE_MS = 20
/** Two full collections of a thread within this time: it is busy, ms. */
const OFTEN_MS = 1_000
/** None for so long: it is not any more, ms. */
const SELDOM_MS = 10_000

interface Collected {
  readonly startTime: number
  readonly detail?: { readonly kind?: number }
}

/**
 * Lets garbage of a busy thread lie about until there is as much of it as this allows, and not 9 MiB, which is what V8 allows a heap that is small and grows slowly. What V8 counts
 * are here the bytes of records, which lie outside its heap and are given back by hand (`give-back.ts`): a gateway as fast as it can has more than 9 MiB of them on their
 * way, and all of its heap was looked through for each such commit, by this thread and by one beside it. See docs/decisions/0170.
 *
 * To be called in each thread that may be busy; what it says to V8 is for all threads of the process.
 */
export function allowGarbage(): { cancel(): void } {
  const allowance = new GarbageAllowance()
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const { startTime, detail } = entry as Collected
      if (detail?.kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
      const percent = allowance.collected(startTime, getHeapStatistics().used_heap_size)
      if (percent !== undefined) setFlagsFromString(`--heap-growing-percent=${percent}`)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return { cancel: () => observer.disconnect() }
}

/** What one thread allows: nothing, until it collects often; then by what lives in it, until it collects seldom. */
export class GarbageAllowance {
  #lastMs = Number.NEGATIVE_INFINITY
  #isBusy = false

  /** There was a full collection, after which so many bytes live. How much a heap may grow, of what lives in it, before the next, percent; 0 leaves it to V8; undefined: as it is. */
  collected(atMs: number, livingBytes: number): number | undefined {
    const sinceMs = atMs - this.#lastMs
    if (sinceMs < TWICE_MS) return undefined
    this.#lastMs = atMs
    const wasBusy = this.#isBusy
    this.#isBusy = sinceMs < (wasBusy ? SELDOM_MS : OFTEN_MS)
    if (this.#isBusy) return percentOf(livingBytes)
    return wasBusy ? 0 : undefined
  }
}

function percentOf(livingBytes: number): number {
  const percent = Math.min(PERCENT_MAX, Math.floor((GARBAGE_BYTES_MAX / livingBytes) * 100))
  return percent < PERCENT_MIN ? 0 : percent
}
