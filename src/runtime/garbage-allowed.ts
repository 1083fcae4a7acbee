import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { Busyness, SELDOM_MS } from './busyness.ts'
import type { Clock, Timer } from './clock.ts'
import { giveEmptyMemoryBack } from './empty-memory.ts'
import { collectGarbage } from './garbage.ts'
import { GarbageShares } from './garbage-shares.ts'
import { processMemory } from './process-memory.ts'
import { repeating } from './repeating.ts'

/** Where the threads of this process find what all of them allow. */
const SHARES = 'headrace.garbage'

/** What was collected is free by then, ms. */
const FREED_AFTER_MS = 2_000

interface Collected {
  readonly startTime: number
  readonly detail?: { readonly kind?: number }
}

/**
 * Lets garbage of a busy process lie about until there is as much of it as {@link GarbageShares} allows, and not 9 MiB for each thread, which is what V8 allows a heap that is small and grows
 * slowly. What V8 counts are here the bytes of records, which lie outside its heap and are given back by hand (`give-back.ts`): a gateway as fast as it can has more than 9 MiB of them on their
 * way, and all of its heap was looked through for each such commit, by this thread and by one beside it. See docs/decisions/0170.
 *
 * To be called in each thread that may be busy, in the main one first; what one says to V8 is for all of them. When nobody is busy any more, each gives back what it has: V8 would keep the pages
 * for as long as the process lives. See docs/decisions/0173.
 */
export function allowGarbage(clock: Clock): { cancel(): void } {
  const shares = sharesOfProcess()
  const thread = isMainThread ? 0 : 1
  const busyness = new Busyness()
  let livingBytes = getHeapStatistics().used_heap_size
  let looking: Timer | undefined
  const say = (isBusy: boolean) => {
    const { percent, isNew } = shares.say(thread, { livingBytes, isBusy })
    if (isNew) setFlagsFromString(`--heap-growing-percent=${percent}`)
    if (percent > 0) looking ??= repeating(clock, SELDOM_MS, look)
    return percent
  }
  const look = () => {
    if (say(busyness.looked(performance.now())) > 0) return
    looking?.cancel()
    looking = undefined
    collectGarbage('code stays')
    // Memory of records is freed by a thread beside, some time after.
    if (isMainThread) clock.after(FREED_AFTER_MS, () => void giveEmptyMemoryBack(), 'background')
  }
  say(false)
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const { startTime, detail } = entry as Collected
      if (detail?.kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
      livingBytes = getHeapStatistics().used_heap_size
      say(busyness.collected(startTime, livingBytes))
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return {
    cancel: () => {
      observer.disconnect()
      looking?.cancel()
    },
  }
}

/** One of them for the threads of a process: what the main thread puts there, those that it starts find. */
function sharesOfProcess(): GarbageShares {
  const known = getEnvironmentData(SHARES)
  const memory = known instanceof SharedArrayBuffer ? known : GarbageShares.memory()
  if (isMainThread) setEnvironmentData(SHARES, memory)
  return new GarbageShares(memory, processMemory())
}
