import type { StateEntry } from './state-entry.ts'

/**
 * Where the entries of one shard are kept. On the core: in the log, so that another core can go on; on a gateway: on its disk.
 */
export interface StateKeeper {
  /** Every entry since the last time that it was made short, in order. */
  readonly entries: readonly StateEntry[]
  /**
   * Keeps entries in order, after those that are not kept yet. `lost`: another core keeps the shard now. Rejects where it is not known whether
   * they are kept: they stay, and `append([])` tries again.
   */
  append(entries: readonly StateEntry[]): Promise<'kept' | 'lost'>
  /** What is kept now, in order, read anew: {@link entries} and what was appended since. */
  readBack(): Promise<readonly StateEntry[]>
  /** Whether so much was written that it should be made short: see {@link startAnew}. */
  readonly isLong: boolean
  /** What is written from now on is all that counts. Returns what to call once it has been written. */
  startAnew(): () => Promise<void>
}
