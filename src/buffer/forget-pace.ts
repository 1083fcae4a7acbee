import type { Clock } from '../runtime/clock.ts'
import type { KeptRows } from './kept-rows.ts'
import type { BufferLimits } from './limits.ts'

/** They go sooner where so much of the window lies beyond it: disks are filled faster than that. */
const BEYOND_SHARE = 1 / 8
/** So many go for each that was settled since the last ones went: what goes has to catch up with what comes. */
const FOR_EACH_SETTLED = 2

export interface ForgetPaceDeps {
  readonly clock: Clock
  readonly kept: KeptRows
  readonly limits: BufferLimits
  /** The window: what is kept of settled batches for a core that lost its end. */
  readonly rewindBytes: number
}

/** When settled batches beyond the window go, and how many. */
export class ForgetPace {
  readonly #deps: ForgetPaceDeps
  #atMs = Number.NEGATIVE_INFINITY
  #addedThen = 0

  constructor(deps: ForgetPaceDeps) {
    this.#deps = deps
  }

  /** What goes with a commit that is made now; undefined where it is nothing, or too soon. What is given counts as gone. */
  next(): { bytes: number; countMax: number } | undefined {
    const { clock, kept, limits, rewindBytes } = this.#deps
    const bytes = Math.max(kept.bytes - rewindBytes, kept.bytesOfFirst(kept.length - limits.keptBatches))
    const nowMs = clock.monotonicMs()
    if (bytes <= 0 || (nowMs - this.#atMs < limits.forgetEveryMs && bytes <= rewindBytes * BEYOND_SHARE)) return undefined
    const settled = kept.added - this.#addedThen
    this.#atMs = nowMs
    this.#addedThen = kept.added
    return { bytes, countMax: Math.max(limits.deletesPerCommit, settled * FOR_EACH_SETTLED) }
  }
}
