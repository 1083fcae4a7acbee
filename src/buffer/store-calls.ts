import type { BatchIdentity } from '../record/batch-writer.ts'
import type { EncodedBatch, Gap, GapReason } from '../record/record.ts'
import type { ClockAtCut } from './event-time.ts'

/*
  What passes between the buffer, which decides, and the store, which does what it is told: plain data, since there is a thread's border between
  them. Whoever plans a commit, or stands in for the store, needs this and not the database.
*/

/** A source as the database keeps it. */
export interface SourceRow {
  readonly id: number
  readonly name: string
  readonly topic: string
  readonly next: number
  readonly settled: number
  readonly assignment: string | null
  readonly frozen: string | null
  readonly head_gap: string | null
  readonly tail_gap: string | null
}

/** A block as the index knows it; `first` is null while it is uncut. */
export interface BlockRow {
  readonly id: number
  readonly source: number
  readonly first: number | null
  readonly count: number
  readonly timeMs: number
  readonly bytes: number
}

/** One step of a commit; all steps of one are on disk together, or none. */
export type Step =
  /** Records that were taken; `cut` makes them a batch at once, `likely` encodes them with numbers that count only when a merge says so. */
  | {
      readonly kind: 'insert'
      readonly source: number
      /** Moved to where the commit is made; where that fails, it is given back here. */
      plain: Uint8Array
      /** Others have something in its memory: it is copied, and not moved. */
      readonly isShared?: boolean
      readonly count: number
      readonly baseTimeMs: number
      readonly lastTimeMs: number
      readonly cut?: BatchIdentity
      readonly likely?: BatchIdentity
      readonly gap?: Gap
      /** The largest batch that the log takes, where that is known: several are cut of what is larger. */
      readonly bytesMax?: number
      /** Where the source goes on reading behind these records. */
      readonly bookmark?: string
    }
  /** Uncut blocks become one batch. Records that cannot be read any more are said in its gap. */
  | {
      readonly kind: 'merge'
      readonly source: number
      readonly ids: readonly number[]
      readonly cut: BatchIdentity
      readonly gap?: Gap
      readonly bytesMax?: number
    }
  | {
      readonly kind: 'placeholder'
      readonly source: number
      readonly cut: BatchIdentity
      readonly count: number
      readonly timeMs: number
      readonly gap: Gap
      /** The damaged batch whose place it takes. */
      readonly replaces?: number
    }
  /** Settled batches that are not kept any longer. */
  | { readonly kind: 'forget'; readonly ids: readonly number[] }
  /** Uncut blocks that give way; what they held is added to the source's head gap. */
  | {
      readonly kind: 'drop'
      readonly source: number
      readonly ids: readonly number[]
      readonly reason: GapReason
      readonly gap?: Gap
    }
  /** `keepHeadGap`: a drop in this commit has just written it. */
  | { readonly kind: 'source'; readonly row: SourceRow; readonly keepHeadGap?: boolean }

export interface Commit {
  readonly steps: readonly Step[]
  /** By which times are settled in what this commit cuts; they stay as they are where it is missing. */
  readonly clock?: ClockAtCut
  /** The marks file, written and synced before the database is. */
  readonly marks?: string
}

/** A batch that was cut, and its row. */
export interface StoredBatch {
  readonly row: BlockRow
  readonly batch: EncodedBatch
}

/** What became of one step, in the same place. */
export type StepResult =
  | { readonly kind: 'inserted'; readonly row: BlockRow }
  /** `damaged`: so many records could not be read any more. */
  | { readonly kind: 'cut'; readonly batches: readonly StoredBatch[]; readonly damaged?: number }
  | { readonly kind: 'dropped'; readonly gap: Gap }
  | { readonly kind: 'done' }

export interface CommitResult {
  readonly results: readonly StepResult[]
  readonly disk: StoreDisk
}

export interface StoreDisk {
  readonly usedBytes: number
  readonly writtenBytes: number
}

/** A source's uncut blocks, counted: how many there are depends on the outage, so that they are not all brought into memory. */
export interface UncutTotal {
  readonly source: number
  readonly blocks: number
  readonly records: number
  readonly bytes: number
  readonly oldestMs: number
}

export interface Opened {
  readonly sources: readonly SourceRow[]
  readonly cut: readonly BlockRow[]
  readonly uncut: readonly UncutTotal[]
  readonly bookmarks: readonly { readonly source: number; readonly token: string }[]
  readonly disk: StoreDisk
}

export type ReadBatch = { readonly id: number; readonly bytes: Buffer } | { readonly id: number; readonly damaged: string }

/** What the buffer asks of its executor: a thread of its own, or the same thread. One call at a time. */
export interface StoreCalls {
  commit(commit: Commit): CommitResult
  read(ids: readonly number[]): ReadBatch[]
  /** Uncut blocks behind `after`, in order of writing. */
  scan(after: number, limit: number): BlockRow[]
  /** The whole index, as at the opening. */
  opened(): Opened
  close(): void
}
