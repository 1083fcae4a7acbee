import { gapAt, gapHeader, joinGaps } from '../record/gap.ts'
import type { Gap, GapReason, RecordHeader } from '../record/record.ts'
import { assert } from '../runtime/errors.ts'
import { BlockBuilder } from './block-codec.ts'
import type { Assignment, BufferedCounts, CutBatch, Freeze, Inlet, SourceSettings } from './buffer.ts'
import { CLOCK_SET_FROM_MS } from './clock-watch.ts'
import { type CutRow, CutRows } from './cut-rows.ts'
import { withGapBefore } from './gap-before.ts'
import { toKept } from './kept.ts'
import type { BufferLimits } from './limits.ts'
import type { PendingBlock } from './pending-block.ts'
import type { BlockRow, SourceRow } from './store-calls.ts'

/** Room in a new block beside what the last one took: for the record that makes it full. A small one is made for a quarter more than that. */
const SPARE_BYTES = 512
const SPARE_SHARE = 1 / 4
/** Of the largest block: what the first one of a source takes, of which nobody knows how it compresses; and the smallest at which one is closed. */
const BLOCK_SHARE_FIRST = 1 / 2
const BLOCK_SHARE_MIN = 1 / 4
/** What fits into one batch whatever the broker's default, with room for key and headers. */
export const VALUE_BYTES_MAX = 900_000

/** What a source's buffer tells and asks of the whole. */
export interface SourceHooks {
  onPending(source: SourceBuffer): void
  stored(source: SourceBuffer): Promise<void>
  /** The mark of a record whose time an unset clock gave. */
  stampFor(timeMs: number): RecordHeader | undefined
  /** Half of what may be pending is, of it or of all sources: it goes to disk now. */
  onPressed(source: SourceBuffer): void
  /** Bytes pending over all sources, those of blocks that are being filled too, counted by each; and sources that have room of their own and wait until the others have less. */
  readonly pending: { bytes: number; readonly waiting: Set<SourceBuffer> }
  readonly limits: BufferLimits
}

/**
 * All that is known of one source without asking the disk.
 *
 *   append → builder → pending ──commit──► uncut blocks ──cut──► batches ──taken by the link──► settled ──room needed──► gone
 *                                └──────────cut at once───────────┘
 *
 * Numbers: forgotten ≤ settled ≤ position ≤ next ≤ mark.
 */
export class SourceBuffer implements Inlet {
  readonly id: number
  readonly source: string
  settings: SourceSettings
  next = 0
  settled = 0
  position = 0
  mark = 0
  /** Numbers below this were given away by a database that is lost. */
  lostBelow = 0
  assignment: Assignment | undefined
  frozen: Freeze | undefined
  /** Missing before the oldest uncut record. */
  headGap: Gap | undefined
  /** Missing after the newest record; the next one carries it. */
  tailGap: Gap | undefined
  gapSinceMs: number | undefined
  /** The database's row of this source is older than what is here. */
  dirty = false
  /** When that was written last, by the clock on the wall. */
  rowWrittenMs = Number.NEGATIVE_INFINITY
  readonly cut = new CutRows()
  readonly uncut: BlockRow[] = []
  uncutBlocks = 0
  uncutRecords = 0
  uncutBytes = 0
  /** Uncut blocks that lay in the database when the process started, until the log is known to follow on. */
  blocksAtOpen = 0
  /** Event time of the oldest uncut record when the database was opened, ms. */
  uncutSinceMs: number | undefined
  /** Every uncut block up to this id is in the window, or gone. */
  loadedThrough = 0
  readonly ready: CutBatch[] = []
  readonly pending: PendingBlock[] = []
  pendingBytes = 0
  #pendingRecords = 0
  /** At which a block is closed. */
  #blockBytes: number
  /** On disk, with all that was read up to it. */
  storedBookmark: string | undefined
  /** Of the block that is being filled. */
  #newBookmark: string | undefined
  /** What the records of that block say is missing before them. */
  #newGap: Gap | undefined
  /** What was appended last belongs together with what comes next: both are in one block, or neither is. */
  #isWithinGroup = false
  /** Blocks are pending for which there was no room: what comes after them is gathered until there is. */
  waitsForRoom = false
  #builder = new BlockBuilder()
  /** Of it so many bytes are counted as pending over all sources. */
  #fillingBytes = 0
  #hasUnsetTimes = false
  #taken = 0
  #dropped = 0
  readonly #roomCalls: (() => void)[] = []
  readonly #hooks: SourceHooks

  constructor(id: number, settings: SourceSettings, hooks: SourceHooks) {
    this.id = id
    this.source = settings.source
    this.settings = settings
    this.#hooks = hooks
    this.#blockBytes = hooks.limits.blockBytes * BLOCK_SHARE_FIRST
  }

  /** Gives what puts back all that was known of its numbers, its place and its cut batches at this moment. */
  remember(): () => void {
    const { assignment, frozen, settled, position, next, lostBelow, mark } = this
    const cut = this.cut.slice(0)
    return () => {
      Object.assign(this, { assignment, frozen, settled, position, next, lostBelow, mark, dirty: true })
      this.cut.clear()
      for (const row of cut) this.cut.add(row)
    }
  }

  append(
    timeMs: number,
    bytes: Buffer,
    from: number,
    to: number,
    headers?: readonly RecordHeader[],
    bookmark?: string | null,
  ): 'taken' | 'dropped' | 'too_large' | 'full' {
    const { limits } = this.#hooks
    const isFirstOfGroup = !this.#isWithinGroup
    this.#isWithinGroup = bookmark === null
    if (to - from > VALUE_BYTES_MAX) {
      // What of its group is there already must not be read again.
      if (typeof bookmark === 'string' && this.isFilling) this.#newBookmark = bookmark
      this.#give(timeMs, 'too_large')
      return 'too_large'
    }
    if (
      isFirstOfGroup &&
      (this.pendingBytes + this.#builder.sizeBytes > limits.pendingBytesPerSource ||
        this.#hooks.pending.bytes > limits.pendingBytes)
    ) {
      this.#isWithinGroup = false
      if (this.settings.whenFull === 'block') return 'full'
      return this.#give(timeMs, 'buffer_full')
    }
    const stamp = timeMs < CLOCK_SET_FROM_MS ? this.#hooks.stampFor(timeMs) : undefined
    if (stamp) {
      headers = [...(headers ?? []), stamp]
      this.#hasUnsetTimes = true
    }
    if (this.tailGap) {
      headers = [...(headers ?? []), gapHeader(this.tailGap)]
      this.#newGap = joinGaps(this.#newGap, this.tailGap)
      this.tailGap = undefined
      this.dirty = true
      if (!this.headGap) this.gapSinceMs = undefined
    }
    const builder = this.#builder
    builder.append(timeMs, bytes, from, to, headers)
    if (typeof bookmark === 'string') this.#newBookmark = bookmark
    this.#taken += 1
    if (builder.count === 1) this.#hooks.onPending(this)
    this.#countFilling()
    if (this.#isWithinGroup) return 'taken'
    if (builder.count >= limits.blockRecords || builder.sizeBytes >= this.#blockBytes) this.flush()
    return 'taken'
  }

  stored(): Promise<void> {
    return this.#hooks.stored(this)
  }

  onRoom(call: () => void): void {
    this.#roomCalls.push(call)
    // One that has nothing pending writes nothing, and would not be looked at again by itself.
    if (this.hasOwnRoom) this.#hooks.pending.waiting.add(this)
  }

  counts(): { taken: number; dropped: number } {
    return { taken: this.#taken, dropped: this.#dropped }
  }

  /** That of the newest record that was taken: what was taken before it is on disk before it is. */
  get bookmark(): string | undefined {
    return this.#newBookmark ?? this.pending.findLast(block => block.bookmark !== undefined)?.bookmark ?? this.storedBookmark
  }

  get hasPending(): boolean {
    return this.pending.length > 0 || this.#builder.count > 0
  }

  get isFilling(): boolean {
    return this.#builder.count > 0
  }

  /** Bytes of the block that is being filled. */
  get fillingBytes(): number {
    return this.#fillingBytes
  }

  /** Closes the block that is being filled. */
  flush(): void {
    const builder = this.#builder
    if (builder.count === 0) return
    const { count, baseTimeMs, lastTimeMs, isShared } = builder
    const plain = builder.take()
    this.pending.push({
      plain,
      bytes: plain.length,
      isShared,
      count,
      baseTimeMs,
      lastTimeMs,
      hasUnsetTimes: this.#hasUnsetTimes,
      bookmark: this.#newBookmark,
      gap: this.#newGap,
    })
    this.#hasUnsetTimes = false
    this.#newBookmark = undefined
    this.#newGap = undefined
    this.pendingBytes += plain.length
    this.#pendingRecords += count
    // Counted over all sources since it was filled.
    this.#fillingBytes = 0
    if (!this.hasOwnRoom) this.#hooks.onPressed(this)
    // As large as the last one, and a little: sources go on as they did.
    const spareBytes = Math.floor(Math.min(SPARE_BYTES, plain.length * SPARE_SHARE))
    this.#builder = new BlockBuilder(Math.min(this.#blockBytes, plain.length) + spareBytes)
  }

  /** A block of so many bytes took so many when it was written: the next ones are closed by that. */
  packed(plainBytes: number, storedBytes: number): void {
    const { blockBytes, blockStoredBytes } = this.#hooks.limits
    const fitting = Math.floor((plainBytes / Math.max(1, storedBytes)) * blockStoredBytes)
    this.#blockBytes = Math.min(blockBytes, Math.max(blockBytes * BLOCK_SHARE_MIN, fitting))
  }

  /** The first `blocks` of what was pending are on disk, or were given up. */
  unpend(blocks: number): void {
    for (const block of this.pending.splice(0, blocks)) this.#uncount(block)
    this.#callForRoom()
  }

  #countFilling(): void {
    const { pending, limits } = this.#hooks
    const before = pending.bytes
    pending.bytes += this.#builder.sizeBytes - this.#fillingBytes
    this.#fillingBytes = this.#builder.sizeBytes
    if (before <= limits.pendingBytes / 2 && pending.bytes > limits.pendingBytes / 2) this.#hooks.onPressed(this)
  }

  #uncount({ bytes, count }: PendingBlock): void {
    this.pendingBytes -= bytes
    this.#pendingRecords -= count
    this.#hooks.pending.bytes -= bytes
  }

  /** Half of what may be pending of a source is not, in closed blocks. */
  get hasOwnRoom(): boolean {
    return this.pendingBytes <= this.#hooks.limits.pendingBytesPerSource / 2
  }

  /** Of this source less is pending: it has room now, or those have that waited for the others. */
  #callForRoom(): void {
    const { pending, limits } = this.#hooks
    if (this.#roomCalls.length > 0 && this.hasOwnRoom) pending.waiting.add(this)
    for (const source of [...pending.waiting]) {
      if (pending.bytes > limits.pendingBytes) return
      pending.waiting.delete(source)
      for (const call of source.#roomCalls.splice(0)) call()
    }
  }

  /** Gives up what is pending behind the first `kept` blocks; what it held is said by the record that comes next. */
  dropPending(kept: number, reason: GapReason, nowMs: number): void {
    let gone: Gap | undefined
    for (const block of this.pending.splice(kept)) {
      gone = joinGaps(gone, joinGaps(block.gap, gapAt(block.count, block.baseTimeMs, block.lastTimeMs, reason)))
      this.#dropped += block.count
      this.#uncount(block)
    }
    if (gone && this.#builder.count > 0) {
      // Those that came after it are in memory already. What is missing at the tail came after them, and is said by whoever comes next.
      this.#builder = withGapBefore(gone, this.#builder, SPARE_BYTES)
      this.#countFilling()
      this.#newGap = joinGaps(gone, this.#newGap)
    } else if (gone) {
      this.tailGap = joinGaps(gone, this.tailGap)
      this.gapSinceMs ??= nowMs
    }
    this.dirty = true
    this.#callForRoom()
  }

  /** Counts records that were given up on disk. */
  countDropped(records: number): void {
    this.#dropped += records
  }

  /** Where the last batch in memory ends: the next to be loaded begins there. */
  get readyEnd(): number {
    const last = this.ready.at(-1)
    return last ? last.sequence + last.count : this.position
  }

  take(): CutBatch | undefined {
    const batch = this.ready.shift()
    if (!batch) return undefined
    assert(batch.sequence === this.position, 'batches are handed out in order, without a hole')
    this.position = batch.sequence + batch.count
    return batch
  }

  /** Forgets what is in memory of batches below `sequence`; gives its bytes. */
  dropReadyBelow(sequence: number): number {
    let bytes = 0
    for (let first = this.ready[0]; first && first.sequence < sequence; first = this.ready[0]) {
      bytes += first.bytes.length
      this.ready.shift()
    }
    return bytes
  }

  addUncut(row: BlockRow): void {
    // Only where nothing between is missing in the window may it go on there.
    const follows = this.uncut.length === this.uncutBlocks
    this.uncutBlocks += 1
    this.uncutRecords += row.count
    this.uncutBytes += row.bytes
    if (!follows || this.uncut.length >= this.#hooks.limits.uncutWindow) return
    this.uncut.push(row)
    this.loadedThrough = row.id
  }

  /** Uncut blocks, the oldest, are gone; all others have ids above theirs. */
  forgetUncut(rows: readonly BlockRow[]): void {
    const last = rows.at(-1)
    if (!last) return
    this.uncut.splice(0, this.uncut.length, ...this.uncut.filter(({ id }) => id > last.id))
    this.uncutBlocks -= rows.length
    this.uncutRecords -= rows.reduce((sum, { count }) => sum + count, 0)
    this.uncutBytes -= rows.reduce((sum, { bytes }) => sum + bytes, 0)
    this.loadedThrough = Math.max(this.loadedThrough, last.id)
  }

  addCut(row: CutRow): void {
    this.cut.add(row)
    this.next = Math.max(this.next, row.first + row.count)
  }

  /** Records in memory that are not on disk. */
  get pendingRecords(): number {
    return this.#pendingRecords + this.#builder.count
  }

  get recordsBuffered(): number {
    return this.next - this.settled + this.uncutRecords + this.pendingRecords
  }

  buffered(): BufferedCounts {
    let bytes = this.uncutBytes + this.pendingBytes
    let oldest: number | undefined
    for (let at = this.cut.length - 1; at >= 0; at--) {
      const row = this.cut.at(at)
      if (!row || row.first < this.settled) break
      bytes += row.bytes
      oldest = row.timeMs
    }
    oldest ??= this.uncut[0]?.timeMs ?? (this.uncutBlocks > 0 ? this.uncutSinceMs : this.pending[0]?.baseTimeMs)
    const records = this.recordsBuffered
    return { records, bytes, ...(oldest !== undefined && records > 0 && { oldestMs: oldest }) }
  }

  /** `unwritten`: records in memory that are not on disk before the row is. What they say is missing is said there until they are. */
  toRow(unwritten: readonly PendingBlock[] = this.pending): SourceRow {
    const { id, source: name, next, settled } = this
    const carried = [...unwritten.map(block => block.gap), this.#newGap, this.tailGap].reduce(joinGaps, undefined)
    return {
      id,
      name,
      topic: this.settings.topic,
      next,
      settled,
      assignment: toKept(this.assignment),
      frozen: toKept(this.frozen),
      head_gap: toKept(this.headGap),
      tail_gap: toKept(carried),
    }
  }

  #give(timeMs: number, reason: GapReason): 'dropped' {
    this.#dropped += 1
    this.tailGap = joinGaps(this.tailGap, gapAt(1, timeMs, timeMs, reason))
    this.gapSinceMs ??= timeMs
    this.dirty = true
    this.#hooks.onPending(this)
    return 'dropped'
  }
}
