/** Bounds of what the buffer holds in memory, or does at once. Who looks for what goes wrong at one hands in a small one: a simulation meets it soon. */
export interface BufferLimits {
  /** A block is closed at either: so large that what each batch costs is little beside its records. */
  readonly blockRecords: number
  readonly blockBytes: number
  /** And where it would be larger than this once it is compressed, as far as its source's last one tells: so it fits into one AMQP frame, and is no large message to Artemis (100 KiB). */
  readonly blockStoredBytes: number
  /** Closed blocks of one source that wait for a commit; past that the device has to wait, or gives way. Where half of it is there, it is written at once. */
  readonly pendingBytesPerSource: number
  /** What all sources together took and is not on disk, before compression, also in blocks that are being filled; where half of it is there, it is written at once. */
  readonly pendingBytes: number
  /** What one commit writes, before compression; and one block of each source in any case that is closed by then. */
  readonly commitBytes: number
  /** Uncut blocks of a source that the index holds; the rest is found by looking through the database again. */
  readonly uncutWindow: number
  /** Rows that one look through the database brings. */
  readonly scanRows: number
  /** Batches of a source that are cut ahead of the link: a few more than it may have in flight, so that none waits for a commit. */
  readonly readyBatches: number
  /** Encoded batches in memory over all sources, and one for each source beside: past that what comes is written uncut. */
  readonly readyBytes: number
  /** Batches made from a backlog in one commit at most; fewer where records come meanwhile. */
  readonly mergesPerCommit: number
  /** Stored bytes of uncut blocks that go into one batch; compressed about as they were, it fits into one AMQP frame. */
  readonly mergeBytes: number
  /** Uncut blocks of a source that give way in one commit; and settled ones beyond the window that go at a time, at the least. */
  readonly deletesPerCommit: number
  /** How often settled batches go that lie beyond the window, ms: many that were written one after another go with one call. */
  readonly forgetEveryMs: number
  /** Settled batches that are kept for a core that lost its end; many small ones would fill the memory before the disk. */
  readonly keptBatches: number
  /** Batches that are read for the core at once, when it asks for what it misses. */
  readonly keptAtOnce: number
  /** A stored block of so many bytes lies in the file of blocks, where the commit has {@link fileCommitBytes} of such; smaller ones would leave much of a page empty. */
  readonly fileBlockBytes: number
  /** With less in a commit the sync of a second file costs more than to write it twice. */
  readonly fileCommitBytes: number
  /**
   * The quota from which on there is such a file. What is free in one place cannot be used in the other: the part of it that stays free has to hold several batches in
   * each.
   */
  readonly fileQuotaBytes: number
}

/** Whether a buffer of this quota puts what is large into a file of blocks; it makes room for the next commit only then. */
export function hasBlocksFile(quotaBytes: number, { fileQuotaBytes }: BufferLimits): boolean {
  return quotaBytes >= fileQuotaBytes
}

export const BUFFER_LIMITS: BufferLimits = {
  blockRecords: 2_000,
  blockBytes: 256 * 1024,
  blockStoredBytes: 96 * 1024,
  pendingBytesPerSource: 2 * 2 ** 20,
  pendingBytes: 64 * 2 ** 20,
  commitBytes: 8 * 2 ** 20,
  uncutWindow: 256,
  scanRows: 2_000,
  readyBatches: 8,
  readyBytes: 32 * 2 ** 20,
  mergesPerCommit: 64,
  mergeBytes: 96 * 1024,
  deletesPerCommit: 500,
  forgetEveryMs: 250,
  keptBatches: 200_000,
  keptAtOnce: 64,
  fileBlockBytes: 8 * 1024,
  fileCommitBytes: 128 * 1024,
  fileQuotaBytes: 64 * 2 ** 20,
}

/** Of the memory that the process may have so much may wait for a commit, between the least, which {@link BUFFER_LIMITS} has, and the most, bytes. */
const PENDING_SHARE = 1 / 64
const PENDING_BYTES_MAX = 256 * 2 ** 20

/** Those of a gateway with so much memory: with ten thousand busy sources what may wait of each decides how many records share what a batch costs. */
export function limitsOf(memoryBytes: number): BufferLimits {
  const pendingBytes = Math.min(PENDING_BYTES_MAX, Math.max(BUFFER_LIMITS.pendingBytes, Math.floor(memoryBytes * PENDING_SHARE)))
  return { ...BUFFER_LIMITS, pendingBytes }
}
