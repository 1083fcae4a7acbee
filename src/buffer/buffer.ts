import type { EncodedBatch, RecordHeader } from '../record/record.ts'

/** What to do with a record for which there is no room. */
export type WhenFull = 'block' | 'drop_oldest' | 'drop_newest'

/** How a source's records are kept; from its pipeline file. */
export interface SourceSettings {
  readonly source: string
  readonly topic: string
  readonly whenFull: WhenFull
  readonly priority: number
  readonly ttlMs?: number
  readonly durabilityMs: number
}

/** Where a source's batches go and as whom: told by the core at the opening, kept on the gateway's disk. */
export interface Assignment {
  readonly log: string
  readonly topic: string
  readonly partition: number
  readonly producerId: number
  readonly epoch: number
  readonly epochStart: number
  /** The largest batch that the log takes there, bytes, where the core said so: what is cut from then on is no larger. */
  readonly batchBytesMax?: number
}

/** Codes of freezes that say: the log has what this database does not know of. */
export const OLDER_COPY: ReadonlySet<string> = new Set(['log_ahead', 'epoch_ahead'])

/** Why a source's batches are not sent; the source goes on being read and buffered. Ended by `headrace source resume` only. */
export interface Freeze {
  readonly code: string
  readonly message: string
  readonly advice: string
  /**
   * Blocks without numbers that lay in the database when the process started. Where the log, or its epoch, is ahead, this database is an older copy, and these
   * records are most likely in the log: they may not be sent again.
   */
  readonly olderBlocks?: number
}

export interface BufferedCounts {
  readonly records: number
  readonly bytes: number
  /** Event time of the oldest buffered record, ms; absent where there is none. */
  readonly oldestMs?: number
}

/** The side of a buffer that a source writes to. */
export interface Inlet {
  readonly source: string
  /**
   * Takes a record: `bytes[from, to)` are copied at once. Stored after the next commit, see {@link stored}.
   * `bookmark`: where the source goes on reading behind this record; it is on disk in the very transaction that has the record. `null`: this record
   * is stored in one transaction with the one that comes next, which is appended in the same tick.
   * `full`: nothing was taken, because the source's policy is `block` and there is no room: stop reading until {@link onRoom}.
   */
  append(
    timeMs: number,
    bytes: Buffer,
    from: number,
    to: number,
    headers?: readonly RecordHeader[],
    bookmark?: string | null,
  ): 'taken' | 'dropped' | 'too_large' | 'full'
  /** That of the newest record that was taken; at the start, the newest on disk. Whatever happens, records are on disk in their order. */
  readonly bookmark: string | undefined
  /** Resolves when all that was taken before this call is on disk (COMMIT has returned). */
  stored(): Promise<void>
  /** Calls once, when there is room again after `full`. */
  onRoom(call: () => void): void
  counts(): { taken: number; dropped: number }
}

/** The side of a buffer that the link reads from: per source, cut batches in sequence order. */
export interface Outlet {
  readonly source: string
  readonly topic: string
  /** Of two sources the one of higher priority is more important; 0 unless its pipeline says otherwise. */
  readonly priority?: number
  readonly assignment: Assignment | undefined
  readonly frozen: Freeze | undefined
  /** All numbers below this are known to be in the log. */
  readonly settled: number
  /** All numbers below this are cut; the next batch begins here. */
  readonly next: number
  /** Where the link stands: the next {@link take} gives the batch that begins here. Between settled and next. */
  readonly position: number

  /** The next cut batch, or undefined where none is ready in memory yet; then `onReady` of the buffer calls when one is. */
  take(): CutBatch | undefined
  /** All numbers below `sequence` are in the log: they may be forgotten when room is needed. */
  settle(sequence: number): void
  /**
   * Sets settled and position to `sequence`: what is kept from there on is given again, byte for byte. What is no longer kept is given
   * as placeholders of the same numbers, as is the rest of one that stands for what a lost database had. Rejects with `not_found` where `sequence` lies
   * within any other batch.
   */
  rewind(sequence: number): Promise<void>
  /** The cut batch that has the number just before `end`, if the buffer still knows it. It may go on beyond. */
  batchBefore(end: number): Promise<OwnBatch | undefined>
  /** What is still here of numbers [from, to), settled or not, a bounded number of batches at once; nothing else changes. */
  kept(from: number, to: number): Promise<Kept>
  /** Fills numbers [from, to) with placeholders: they were given away before the database was lost. */
  fill(from: number, to: number): Promise<void>
  /** Keeps what the opening said; must be on disk before anything is cut with it. */
  assign(assignment: Assignment): Promise<void>
  freeze(why: Freeze): Promise<void>
  /** After a new epoch: next = settled = position = `end`; old cut batches that were never settled go back as a declared gap. */
  resume(assignment: Assignment, end: number): Promise<void>
  buffered(): BufferedCounts
  /** The records that {@link buffered} counts, for who asks again and again. */
  readonly recordsBuffered: number
}

/** A batch as this gateway cut it. */
export interface OwnBatch {
  readonly sequence: number
  readonly count: number
  /** Null where the disk does not give its bytes back any more. */
  readonly crc: number | null
  /** Whether it is a placeholder for numbers that a database gave away before it was lost: what that one sent may lie in the log in its place. */
  readonly standsForLost?: () => boolean
}

export interface CutBatch extends EncodedBatch {
  readonly source: string
  readonly epoch: number
  readonly crc: number
}

export interface Kept {
  readonly batches: readonly CutBatch[]
  /** Ranges of numbers that were given away, and are not here any more. */
  readonly gone: readonly { readonly from: number; readonly to: number }[]
}

export interface DiskCounts {
  readonly quotaBytes: number
  readonly usedBytes: number
  /** Bytes written to the database's files since the process started. */
  readonly writtenBytes: number
  /** The same in a day, at the rate of the last hour; null in the first minutes. */
  readonly writtenPerDayBytes: number | null
  /** What may be written in a day; null where nothing is declared. */
  readonly flashBytesPerDay: number | null
}

/** The gateway's buffer: a log on disk with a size bound, which the link reads. */
export interface EdgeBuffer {
  inlet(source: string): Inlet
  /** Of all sources that it knows; the same array until there are more of them. */
  outlets(): readonly Outlet[]
  outlet(source: string): Outlet | undefined
  /** While a link is attached, batches are cut ahead of it; without one, records stay uncut, so that they can merge or give way. */
  attachLink(onReady: (source: string) => void): void
  detachLink(): void
  /** The session counter, one up, on disk when it resolves. Never at or below `above`. */
  nextSession(above?: number): Promise<number>
  readonly instance: string
  disk(): DiskCounts
  /** Resolves when the store has answered all that was asked of it before, and this; writes nothing. */
  answered(): Promise<void>
  /** Takes over another configuration: new sources have an inlet from now on; what those hold that are not named any more still drains. */
  configure(sources: readonly SourceSettings[]): void
  /** What was taken, and what is from now on, is written at once, whatever its durability: the process is about to end. */
  hurry(): void
  /** Stops taking records, commits what was taken, closes. */
  close(): Promise<void>
}
