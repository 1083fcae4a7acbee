import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** So much may lie about beside what lives, at the most, bytes. */
const GARBAGE_BYTES_MAX = 48 * 2 ** 20
/** And so much of what lives, percent: V8's own highest. */
const PERCENT_MAX = 300
/** Where less would be allowed than V8 allows by itself, it is left to it. */
const PERCENT_MIN = 50

interface Collected {
  readonly detail?: { readonly kind?: number }
}

/**
 * Garbage is collected when there is as much of it as this allows, and not at 9 MiB, as V8 does in a heap that is small and grows slowly. What it counts as garbage are
 * here the bytes of records, which lie outside its heap and are given back by hand (`give-back.ts`): a gateway as fast as it can has more than 9 MiB of them on their way,
 * and all of its heap was looked through for each such commit, by this thread and by one beside it. See docs/decisions/0170.
 *
 * For all threads of the process, by what lives in this one after each full collection.
 */
export function allowGarbage(): { cancel(): void } {
  const allow = () => setFlagsFromString(`--heap-growing-percent=${allowedPercent(getHeapStatistics().used_heap_size)}`)
  const observer = new PerformanceObserver(list => {
    if (list.getEntries().some(entry => (entry as Collected).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR)) allow()
  })
  observer.observe({ entryTypes: ['gc'] })
  allow()
  return { cancel: () => observer.disconnect() }
}

/** How much a heap may grow, of what lives in it, before it is collected, percent; 0 leaves it to V8. */
export function allowedPercent(livingBytes: number): number {
  const percent = Math.min(PERCENT_MAX, Math.floor((GARBAGE_BYTES_MAX / livingBytes) * 100))
  return percent < PERCENT_MIN ? 0 : percent
}
