import type { Clock, Timer } from './clock.ts'
import { collectGarbage } from './garbage.ts'
import { repeating } from './repeating.ts'

/** How often, ms. */
const COLLECT_EVERY_MS = 300_000
/** Of one processor: a thread that takes more collects by itself, and has no time to stand still. */
const BUSY_SHARE = 0.05

export interface IdleCollectionOptions {
  readonly clock: Clock
  /** Processor time of this thread until now, ms. */
  readonly usedMs?: () => number
  readonly collect?: () => void
  /** Share of one processor from which on it counts as busy. */
  readonly busyShare?: number
}

/**
 * Collects the garbage of this thread every few minutes, where it had little to do: V8 does when memory runs short, and what a thread that waits makes in hours
 * holds megabytes outside of V8's heap as well. Ends with the timer that it gives.
 */
export function collectWhenIdle(options: IdleCollectionOptions): Timer {
  const { clock, usedMs = threadMs, collect = () => collectGarbage(), busyShare = BUSY_SHARE } = options
  const now = () => ({ atMs: clock.monotonicMs(), usedMs: usedMs() })
  let from = now()
  return repeating(clock, COLLECT_EVERY_MS, () => {
    const to = now()
    if ((to.usedMs - from.usedMs) / (to.atMs - from.atMs) < busyShare) collect()
    from = now()
  })
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
