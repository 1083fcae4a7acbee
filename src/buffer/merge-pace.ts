import type { Clock } from '../runtime/clock.ts'

/** A commit takes this part of the shortest `durability` with merging: what comes while one is under way waits for the rest of it, and then for its own. */
const DURABILITY_SHARE = 1 / 2
/** And within these, ms: less, and the syncs take longer than what is merged; more, and nobody would call it live. */
const MERGING_MS = { min: 10, max: 100 } as const
/** As few are merged in one commit however slow the disk and the processor are: a backlog goes on. */
const MERGES_MIN = 4
/** After records were committed last, so long it is taken that more come, ms. */
const LIVE_MS = 1_000
/** How much the latest commit counts in what a merge, or a sync, takes. */
const LATEST_SHARE = 1 / 4
/** Of a commit with merges these took so much at the least, however long syncs took before. */
const MERGING_SHARE_MIN = 1 / 4

/**
 * How much of a backlog is merged in one commit. Where nothing new comes, as much as the bound allows. Where records come meanwhile, they wait for the commit that
 * is under way: so much then as takes about half of their durability, by what merges took of late. What the sync takes does not count in that: on a slow disk fewer merges
 * would make more syncs of the same backlog, and these still fewer merges.
 */
export class MergePace {
  readonly #clock: Clock
  readonly #mergesMax: number
  #mergeMs: number | undefined
  /** What a commit takes that merges nothing. */
  #syncMs: number | undefined
  #live: { readonly atMs: number; readonly durabilityMs: number } | undefined

  constructor(clock: Clock, mergesMax: number) {
    this.#clock = clock
    this.#mergesMax = mergesMax
  }

  /** Merges in the next commit. */
  get merges(): number {
    const live = this.#live
    if (!live || this.#mergeMs === undefined || this.#clock.monotonicMs() - live.atMs > LIVE_MS) return this.#mergesMax
    const mergingMs = Math.min(MERGING_MS.max, Math.max(MERGING_MS.min, live.durabilityMs * DURABILITY_SHARE))
    return Math.min(this.#mergesMax, Math.max(MERGES_MIN, Math.floor(mergingMs / this.#mergeMs)))
  }

  /** Records are committed, of which the most urgent have this durability. */
  records(durabilityMs: number): void {
    this.#live = { atMs: this.#clock.monotonicMs(), durabilityMs }
  }

  /** A commit with so many merges took so long; without any, it wrote records. */
  committed(merges: number, tookMs: number): void {
    if (merges === 0) {
      this.#syncMs = follow(this.#syncMs, tookMs)
      return
    }
    const mergingMs = Math.max(tookMs - (this.#syncMs ?? 0), tookMs * MERGING_SHARE_MIN, Number.MIN_VALUE)
    this.#mergeMs = follow(this.#mergeMs, mergingMs / merges)
  }
}

function follow(before: number | undefined, latest: number): number {
  return before === undefined ? latest : before + (latest - before) * LATEST_SHARE
}
