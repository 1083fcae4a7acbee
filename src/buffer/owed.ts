import type { PendingBlock } from './pending-block.ts'
import type { SourceBuffer } from './source-buffer.ts'

/** What a commit that is on disk said of what it did not write. */
export interface Written {
  /** Whether there was something in it. */
  readonly isNews: boolean
  /** The one before failed: it did as little as it could. */
  readonly isRetry: boolean
  /** Sources whose records wait for room in the quota: the core has to take what is buffered before. */
  readonly heldBack: ReadonlySet<SourceBuffer>
  /** Sources of which a block went on being filled. */
  readonly open: ReadonlySet<SourceBuffer>
}

/**
 * What was kept in memory since the disk could not be written, until all of it is there: the first commit after that takes little, and whoever is told then that it is over
 * takes the power from a gateway that has not written the rest.
 *
 *   NOTHING ──a commit failed──► UNKNOWN ──one is on disk──► OWED, source by source ──the last one is on disk, or waits for the core──► NOTHING
 *
 * What comes after that first commit is not owed: a gateway whose devices are as fast as its disk would owe something for ever.
 */
export class Owed {
  #isUnknown = false
  /** The last block that each source owes; undefined while it is being filled. */
  readonly #last = new Map<SourceBuffer, PendingBlock | undefined>()

  failed(): void {
    this.#isUnknown = true
    this.#last.clear()
  }

  /** A commit of these sources is on disk; whether nothing is owed now. What it did not write is pending again. */
  written(sources: readonly SourceBuffer[], commit: Written): boolean {
    if (this.#isUnknown) for (const source of sources) this.#last.set(source, undefined)
    this.#isUnknown = false
    if (this.#last.size === 0) return true
    for (const source of sources) {
      if (!this.#last.has(source)) continue
      const last = this.#last.get(source) ?? (commit.open.has(source) ? 'open' : source.pending.at(-1))
      const isThere = last === undefined || (last !== 'open' && !source.pending.includes(last))
      if (isThere || isForTheCore(source, commit)) this.#last.delete(source)
      else this.#last.set(source, last === 'open' ? undefined : last)
    }
    return this.#last.size === 0
  }
}

/** Whether what is pending of the source waits for room that the disk would have. */
function isForTheCore(source: SourceBuffer, { heldBack, isNews, isRetry }: Written): boolean {
  return heldBack.has(source) || (!isNews && !isRetry)
}
