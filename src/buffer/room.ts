import type { Gap } from '../record/record.ts'
import type { BufferIndex } from './buffer-index.ts'
import type { KeptRow } from './kept-rows.ts'
import { hasBlocksFile } from './limits.ts'
import type { PendingBlock } from './pending-block.ts'
import type { Planned } from './planned.ts'
import { freeOf, PAGE_BYTES } from './schema.ts'
import type { SourceBuffer } from './source-buffer.ts'
import type { BlockRow } from './store-calls.ts'

/** What may be filled of a quota, bytes. */
export function roomOf(quotaBytes: number): number {
  return quotaBytes - freeOf(quotaBytes)
}

/** Where what gives way is free only behind the commit, what is pending takes this part of what is free before it. The rest is left for merging. */
const PENDING_ROOM_SHARE = 1 / 2

/** How often the row of a source is written of which blocks go and others stay, ms. */
const ROW_EVERY_MS = 10_000

/** Why uncut records are given up. */
export type GivenUp = 'buffer_full' | 'expired'

export interface RoomContext {
  readonly sources: readonly SourceBuffer[]
  readonly quotaBytes: number
  readonly usedBytes: number
  /** There was no room for the commit before, though there should have been: this one does as little as it can. */
  readonly isCramped: boolean
  /** The commit before failed: of whom something is pending already, what comes is gathered until one is on disk. */
  readonly isRetry: boolean
  /** What is written at once, before compression, bytes; and a block of each source in any case. */
  readonly bytesMax: number
  readonly nowMs: number
  readonly index: BufferIndex
  /** What goes of the settled batches beyond the window; what makes room for others goes in any case. */
  beyondWindow(): { readonly bytes: number; readonly countMax: number } | undefined
  /** Uncut blocks of it are gone for this reason; `gap` is what its next record says is missing by now. */
  onDropped(source: SourceBuffer, gap: Gap, reason: GivenUp): void
  onFull(source: SourceBuffer): void
}

/**
 * What gives way to what: the part of a plan that knows of the quota. It only takes away, adding its steps to the plan's, and says what of the
 * pending records fits; numbers are given elsewhere, to what is left.
 */
export class Room {
  readonly #context: RoomContext
  readonly #steps: Planned[]
  readonly #dropping = new Set<SourceBuffer>()
  readonly #forgetting = new Set<SourceBuffer>()
  /** Settled batches of each source, by its number, that go in this plan: for want of room, and since they lie beyond the window. */
  readonly #going = new Map<number, number>()
  readonly #withheld = new Map<SourceBuffer, PendingBlock[]>()
  #hasPostponed = false
  /** Sources whose pending records wait until the core has taken what lies on the disk. */
  readonly heldBack = new Set<SourceBuffer>()
  /** Sources of which more was pending than is written at once. */
  readonly #left = new Set<SourceBuffer>()
  /** Sources whose open block is due, and is not closed for this plan. */
  readonly stillDue: SourceBuffer[] = []

  /** `steps`: the plan's. */
  constructor(context: RoomContext, steps: Planned[]) {
    this.#context = context
    this.#steps = steps
  }

  /** Whether uncut blocks of the source give way in this plan. */
  isDropping(source: SourceBuffer): boolean {
    return this.#dropping.has(source)
  }

  /** Sources of which settled batches go. */
  get forgetting(): Iterable<SourceBuffer> {
    return this.#forgetting
  }

  /** Sources whose turn comes with the next plan, for which there is room already. */
  get left(): SourceBuffer[] {
    return [...this.#left].filter(source => this.#withheld.has(source) && !source.waitsForRoom)
  }

  /** Sources that have pending records which this plan does not write: there is no room yet, or it is not their turn. */
  get withheld(): Iterable<SourceBuffer> {
    return this.#withheld.keys()
  }

  /** Pending records of the source that this plan does not write. */
  withheldOf(source: SourceBuffer): readonly PendingBlock[] {
    return this.#withheld.get(source) ?? []
  }

  /**
   * Closes blocks that are being filled and due, as many as are written at once; the others go on being filled until it is their turn, so that what each batch costs is little beside its records also
   * where thousands of sources are busy. Those that hold no more than an equal share do not wait for the others: what says little is never behind what says much.
   */
  closeOpen(due: readonly SourceBuffer[]): void {
    const { bytesMax, sources, isRetry } = this.#context
    // A block of each second that a disk is away would make more of them than any bound of bytes holds.
    const gathers = (source: SourceBuffer) => source.waitsForRoom || (isRetry && source.pending.length > 0)
    const open = due.filter(source => source.isFilling && !gathers(source))
    const share = bytesMax / open.length
    let left = sources.reduce((rest, { pending }) => rest - (pending[0]?.bytes ?? 0), bytesMax)
    let isFirst = left === bytesMax
    for (const source of open) {
      const { fillingBytes } = source
      if (fillingBytes > share && fillingBytes > left && !isFirst) {
        this.stillDue.push(source)
        continue
      }
      isFirst = false
      left -= fillingBytes
      source.flush()
    }
  }

  /** Room for what is to be written: settled batches go first, then uncut records of whoever lets its oldest go, lowest priority first. */
  make(): void {
    const { quotaBytes, usedBytes, isCramped } = this.#context
    this.#takeTurns()
    const gaveWay = this.#makeRoom()
    const freeBytes = quotaBytes - usedBytes
    if (isCramped) this.#postpone(freeBytes, 0)
    else if (gaveWay && this.isLate) this.#postpone(freeBytes, freeBytes * PENDING_ROOM_SHARE)
  }

  /** Whether what gives way makes room for the next commit only: it may lie in the file of blocks. */
  get isLate(): boolean {
    return hasBlocksFile(this.#context.quotaBytes, this.#context.index.limits)
  }

  /** Whether something waits for the room that this plan makes: there is some as soon as it is on disk. */
  get hasPostponed(): boolean {
    return this.#hasPostponed
  }

  /** Bytes that are free before this plan, and that what it inserts does not take. */
  get restBytes(): number {
    const { sources, quotaBytes, usedBytes } = this.#context
    const inserted = sources.flatMap(({ pending }) => pending).reduce((sum, { bytes }) => sum + pagesOf(bytes, 1), 0)
    return quotaBytes - usedBytes - inserted
  }

  /** False where there is enough of it. */
  #makeRoom(): boolean {
    const { sources, quotaBytes, usedBytes } = this.#context
    const wanted = sources.reduce((sum, source) => sum + pagesOf(this.#bytesOf(source), source.pending.length), 0)
    let short = usedBytes + wanted - roomOf(quotaBytes)
    if (short <= 0) {
      for (const source of sources) source.waitsForRoom = false
      return false
    }
    short -= this.#forget(short, Number.POSITIVE_INFINITY)
    const given = short > 0 ? this.#dropOldest(short) : 0
    short -= given
    this.#holdBack(Math.max(0, wanted - Math.max(0, short)), given > 0)
    return true
  }

  /**
   * So much is written at once and no more, the sources in turn, a block of each at a time; the first one of each in any case. The rest is next, as soon as this is on
   * disk: what all of a busy gateway's sources took meanwhile would be megabytes that no cache holds.
   */
  #takeTurns(): void {
    const { sources, bytesMax } = this.#context
    let left = bytesMax
    for (const { pending } of sources) left -= pending[0]?.bytes ?? 0
    let turn = sources.filter(({ pending }) => pending.length > 1)
    for (let at = 1; turn.length > 0; at++) {
      for (const source of turn) {
        left -= source.pending[at]?.bytes ?? 0
        if (left >= 0) continue
        this.#left.add(source)
        this.#withhold(source, at)
      }
      turn = turn.filter(({ pending }) => pending.length > at + 1)
    }
  }

  /**
   * What gives way in this commit may lie in the file of blocks, where it makes room for the next one: what does not fit into `roomBytes` waits for that. The first
   * block does not, where it fits at all.
   */
  #postpone(freeBytes: number, roomBytes: number): void {
    let room = roomBytes
    let isFirst = true
    for (const source of this.#context.sources) {
      let fitting = 0
      for (const block of source.pending) {
        const bytes = pagesOf(block.bytes, 1)
        if (bytes > (isFirst ? freeBytes : room)) break
        isFirst = false
        room -= bytes
        fitting += 1
      }
      if (fitting === source.pending.length) continue
      this.#hasPostponed = true
      // Looked at now and then, where there is no room to come; a disk that is full is tried again in any case.
      source.waitsForRoom ||= !this.#context.isCramped
      this.#withhold(source, fitting)
    }
  }

  /**
   * Of what is pending only the first `roomBytes` are written, the most important source's first. A source that may wait keeps the rest in memory,
   * and its device is not read meanwhile; of any other the rest is lost, and said; but not while older ones still give way, of which one commit takes some only.
   */
  #holdBack(roomBytes: number, hasGiven: boolean): void {
    let room = roomBytes
    const pending = this.#context.sources.filter(source => source.pending.length > 0)
    for (const source of pending.sort((a, b) => b.settings.priority - a.settings.priority)) {
      let fitting = 0
      for (const block of source.pending) {
        const bytes = pagesOf(block.bytes, 1)
        if (bytes > room) break
        room -= bytes
        fitting += 1
      }
      source.waitsForRoom = false
      if (fitting === source.pending.length) continue
      if (hasGiven && source.settings.whenFull !== 'block') {
        this.#hasPostponed = true
        source.waitsForRoom = true
        this.#withhold(source, fitting)
        continue
      }
      this.#context.onFull(source)
      if (source.settings.whenFull === 'block') {
        source.waitsForRoom = true
        this.heldBack.add(source)
        this.#withhold(source, fitting)
        continue
      }
      // Behind what is lost stands the record that says so: none that waits for its turn may come between.
      this.#giveBackOf(source)
      source.dropPending(fitting, 'buffer_full', this.#context.nowMs)
    }
  }

  /** What is pending of the source behind its first `blocks` is not written by this plan. */
  #withhold(source: SourceBuffer, blocks: number): void {
    this.#withheld.set(source, [...source.pending.splice(blocks), ...this.withheldOf(source)])
  }

  #giveBackOf(source: SourceBuffer): void {
    source.pending.push(...this.withheldOf(source))
    this.#withheld.delete(source)
  }

  /** What this plan does not write is pending again, behind what it writes. */
  giveBack(): void {
    for (const source of [...this.#withheld.keys()]) this.#giveBackOf(source)
  }

  /** What this plan writes of the source, bytes. */
  #bytesOf(source: SourceBuffer): number {
    const withheld = this.#withheld.get(source)
    return withheld ? withheld.reduce((left, { bytes }) => left - bytes, source.pendingBytes) : source.pendingBytes
  }

  #dropOldest(wantedBytes: number): number {
    const giving = [...this.#context.index.sources.values()]
      .filter(source => source.settings.whenFull === 'drop_oldest' && source.uncut.length > 0)
      .sort((a, b) => a.settings.priority - b.settings.priority || (a.uncut[0]?.id ?? 0) - (b.uncut[0]?.id ?? 0))
    let freed = 0
    for (const source of giving) {
      const rows: BlockRow[] = []
      for (const row of source.uncut) {
        if (freed >= wantedBytes || rows.length >= this.#context.index.limits.deletesPerCommit) break
        rows.push(row)
        freed += row.bytes
      }
      this.drop(source, rows, 'buffer_full')
      if (freed >= wantedBytes) break
    }
    return freed
  }

  /** Uncut blocks give way; their source's next batch says so. */
  drop(source: SourceBuffer, rows: readonly BlockRow[], reason: GivenUp): void {
    if (rows.length === 0) return
    const gap = source.headGap
    const { blocksAtOpen, frozen } = source
    const olderBlocks = frozen?.olderBlocks ?? 0
    const olderGone = olderAmong(source, new Set(rows), olderBlocks)
    // Taken out at once, so that this plan does not cut them as well.
    removeUncut(source, rows)
    this.#steps.push({
      step: { kind: 'drop', source: source.id, ids: rows.map(row => row.id), reason, ...(gap && { gap }) },
      done: result => {
        if (result.kind !== 'dropped') return
        source.headGap = result.gap
        source.gapSinceMs ??= this.#context.nowMs
        this.#context.onDropped(source, result.gap, reason)
        source.countDropped(rows.reduce((sum, row) => sum + row.count, 0))
      },
      // Until the index is made anew they count again, though nobody sees them.
      failed: () => {
        source.uncutBlocks += rows.length
        source.uncutRecords += rows.reduce((sum, row) => sum + row.count, 0)
        source.blocksAtOpen = blocksAtOpen
        source.frozen = frozen
      },
    })
    if (frozen && olderGone > 0) {
      source.frozen = { ...frozen, olderBlocks: olderBlocks - olderGone }
      this.#steps.push({ step: { kind: 'source', row: source.toRow(), keepHeadGap: true }, done: () => {} })
    }
    this.#dropping.add(source)
  }

  /** Forgets settled batches, oldest first; gives the bytes that this frees. */
  #forget(wantedBytes: number, countMax: number): number {
    const { index } = this.#context
    const going = index.kept.takeFirst(countMax, wantedBytes)
    if (going.length === 0) return 0
    this.#steps.push({
      step: { kind: 'forget', ids: going.map(({ id }) => id) },
      done: () => {
        for (const row of going) index.source(row.source)?.cut.remove(row)
      },
    })
    this.#writeRowsOf(going)
    return going.reduce((sum, { bytes }) => sum + this.#freedBy(bytes), 0)
  }

  /**
   * What the last block of a source said of its `next` and `settled` has to stand somewhere else before it goes, also of a source that this plan is not about. While others of
   * it stay they say as much: what lies before them was settled; so it is brought up to date now and then, and not with each that goes.
   */
  #writeRowsOf(going: readonly KeptRow[]): void {
    const { index, nowMs } = this.#context
    for (const { source } of going) this.#going.set(source, (this.#going.get(source) ?? 0) + 1)
    for (const id of new Set(going.map(({ source }) => source))) {
      const source = index.source(id)
      if (!source) continue
      const isLast = source.cut.length <= (this.#going.get(id) ?? 0)
      // A clock that jumps has it written once more.
      if (!isLast && Math.abs(nowMs - source.rowWrittenMs) < ROW_EVERY_MS) continue
      source.dirty = true
      this.#forgetting.add(source)
    }
  }

  /** What a large block held of pages held them whole, in the file as in the database. */
  #freedBy(bytes: number): number {
    return bytes < this.#context.index.limits.fileBlockBytes ? bytes : Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
  }

  /** What is kept for the core beyond the rewind window goes. */
  forgetBeyondWindow(): void {
    const going = this.#context.beyondWindow()
    if (going) this.#forget(going.bytes, going.countMax)
  }
}

/** Uncut blocks of a source, wherever they stand in its backlog, are not uncut any longer: dropped, or in a batch. */
export function removeUncut(source: SourceBuffer, rows: readonly BlockRow[]): void {
  const gone = new Set(rows)
  source.blocksAtOpen -= olderAmong(source, gone, source.blocksAtOpen)
  const left = source.uncut.filter(row => !gone.has(row))
  source.uncut.splice(0, source.uncut.length, ...left)
  source.uncutBlocks -= rows.length
  for (const row of rows) {
    source.uncutRecords -= row.count
    source.uncutBytes -= row.bytes
  }
}

/** How many of these blocks are among the `older` oldest of the source. */
function olderAmong({ uncut }: SourceBuffer, blocks: ReadonlySet<BlockRow>, older: number): number {
  return uncut.slice(0, older).filter(row => blocks.has(row)).length
}

/** What blocks that are pending of these sources may leave empty of their pages, bytes. */
export function emptyBytesOf(sources: readonly SourceBuffer[]): number {
  return sources.reduce((sum, { pending, isFilling }) => sum + pagesOf(0, pending.length + Number(isFilling)), 0)
}

/** Bytes of the database's pages that rows of so many bytes can take at the most: each may leave the rest of a page empty. */
function pagesOf(bytes: number, rows: number): number {
  return bytes + rows * PAGE_BYTES
}
