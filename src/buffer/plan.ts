import type { BatchIdentity } from '../record/batch-writer.ts'
import type { Gap } from '../record/record.ts'
import { sourceKey } from '../runtime/names.ts'
import { hasAppetite, nextMerge, untakenOf } from './appetite.ts'
import type { Assignment } from './buffer.ts'
import type { PendingBlock } from './pending-block.ts'
import type { Planned } from './planned.ts'
import { type GivenUp, Room, type RoomContext, removeUncut } from './room.ts'
import type { SourceBuffer } from './source-buffer.ts'
import type { BlockRow, Step, StepResult } from './store-calls.ts'

/** Records of a block, before compression, from which merging it with others gains nothing. */
const LARGE_BLOCK_BYTES = 24 * 1024
/**
 * Merging takes this part of what is free in one commit, and one batch in any case: in the file of blocks what is merged gives its room back only with the commit, a batch is
 * somewhat larger than its blocks, and what is free in the one place cannot be used in the other.
 */
const MERGING_ROOM_SHARE = 1 / 2

export interface PlanContext extends RoomContext {
  readonly gateway: string
  readonly attached: boolean
  /** Batches that this plan makes of blocks that lie there; at most. */
  readonly mergesMax: number
  onDamaged(source: SourceBuffer, records: number): void
}

/**
 * Decides what the next commit does. Numbers are given here, one after another, and count only when the commit is on disk: there is never more
 * than one under way.
 */
export class Plan {
  readonly steps: Planned[] = []
  /** Sources of which a block goes on being filled. */
  readonly open = new Set<SourceBuffer>()
  /** Sources that have records which this plan does not write. */
  readonly unwritten = new Set<SourceBuffer>()
  /** Sources that have a batch for the link since this plan is on disk. Told behind all else: what the link then does cannot leave half of it undone. */
  readonly ready = new Set<SourceBuffer>()
  readonly #context: PlanContext
  readonly #room: Room
  /** Next number of each source within this plan. */
  readonly #next = new Map<SourceBuffer, number>()
  #merges = 0
  /** Bytes that may still be merged. */
  #mergingRoom = 0
  /** What this plan makes batches of: by the time that it inserts, that is no backlog any more. */
  readonly #merged = new Map<SourceBuffer, { readonly blocks: number; readonly records: number }>()

  constructor(context: PlanContext) {
    this.#context = context
    this.#room = new Room(context, this.steps)
  }

  /** Numbers up to which each source is cut by this plan. */
  get nextNumbers(): ReadonlyMap<SourceBuffer, number> {
    return this.#next
  }

  /** Batches that it makes of blocks that lie there. */
  get merges(): number {
    return this.#merges
  }

  /** Whether more is to be written as soon as this plan is on disk. */
  get hasPostponed(): boolean {
    return this.#room.hasPostponed
  }

  /** Sources of which more was pending than one plan writes. */
  get left(): readonly SourceBuffer[] {
    return this.#room.left
  }

  /** Sources whose open block was due, and waits for its turn. */
  get stillDue(): readonly SourceBuffer[] {
    return this.#room.stillDue
  }

  /** Sources that have pending records for which the quota has no room. */
  get heldBack(): ReadonlySet<SourceBuffer> {
    return this.#room.heldBack
  }

  /** `due`: of these the block that is being filled has to be written; of all others only blocks that are full are. */
  make(due: readonly SourceBuffer[]): this {
    const { sources } = this.#context
    this.#room.closeOpen(due)
    for (const source of sources) if (source.isFilling) this.open.add(source)
    for (const source of this.open) this.unwritten.add(source)
    this.#room.make()
    for (const source of this.#room.withheld) this.unwritten.add(source)
    this.#mergingRoom = this.#room.isLate ? this.#room.restBytes * MERGING_ROOM_SHARE : Number.POSITIVE_INFINITY
    for (const source of sources) {
      if (source.uncutBlocks > 0) this.#merge(source)
      if (source.pending.length > 0) this.#insert(source)
    }
    this.forgetBeyondWindow()
    return this
  }

  /** Settled batches that are kept no longer go; and with that, rows of sources are written that are not what they were. */
  forgetBeyondWindow(): void {
    this.#room.forgetBeyondWindow()
    for (const source of new Set([...this.#context.sources, ...this.#room.forgetting])) if (source.dirty) this.#writeRow(source)
  }

  placeholder(source: SourceBuffer, range: { from: number; count: number; gap: Gap; timeMs: number }): void {
    const cut = this.#identity(source, range.from)
    if (!cut) return
    const { count, gap, timeMs } = range
    this.steps.push({
      step: { kind: 'placeholder', source: source.id, cut, count, timeMs, gap },
      done: result => this.#added(source, result),
    })
    this.#next.set(source, Math.max(this.#nextOf(source), range.from + count))
  }

  /** Uncut blocks give way; their source's next batch says so. */
  drop(source: SourceBuffer, rows: readonly BlockRow[], reason: GivenUp): void {
    this.#room.drop(source, rows, reason)
  }

  /** What this plan does not write is pending again, behind what it writes. */
  giveBackWithheld(): void {
    this.#room.giveBack()
  }

  #insert(source: SourceBuffer): void {
    // Behind a backlog nothing is cut at once: numbers follow the order in which records came.
    const merged = this.#mergedOf(source)
    let atOnce = source.uncutBlocks === merged.blocks
    let uncut = source.uncutRecords - merged.records
    const blocks = source.pending.length
    let left = blocks
    for (const block of source.pending) {
      // The row says it no longer, once the records do.
      if (block.gap) source.dirty = true
      const mayBeCut = atOnce && this.#hasAppetite(source, block.bytes >= LARGE_BLOCK_BYTES)
      const cut = mayBeCut ? this.#identity(source, this.#nextOf(source)) : undefined
      if (!cut) atOnce = false
      const gap = cut ? this.#takeHeadGap(source) : undefined
      if (cut) this.#next.set(source, cut.sequence + block.count)
      const likely = cut ? undefined : this.#likely(source, block, uncut)
      if (!cut) uncut += block.count
      const step = insertStep(source, block, { cut, likely, gap, bytesMax: source.assignment?.batchBytesMax })
      this.steps.push({
        step,
        done: result => {
          source.storedBookmark = block.bookmark ?? source.storedBookmark
          source.packed(block.bytes, storedBytesOf(result))
          this.#inserted(source, result)
          left -= 1
          if (left === 0) source.unpend(blocks)
        },
        failed: () => {
          block.plain = step.plain as Buffer
          source.headGap ??= gap
        },
      })
    }
  }

  /**
   * The numbers that a large block will get when nothing before it gives way: it is encoded with them, and encoded again only where they were
   * wrong. Small ones are merged anyway.
   */
  #likely(source: SourceBuffer, block: PendingBlock, uncutBefore: number): BatchIdentity | undefined {
    const { assignment } = source
    if (!assignment || source.headGap || block.bytes < LARGE_BLOCK_BYTES || block.hasUnsetTimes) return undefined
    return this.#identityAt(source, assignment, this.#nextOf(source) + uncutBefore)
  }

  #merge(source: SourceBuffer): void {
    let at = 0
    const bytesMax = source.assignment?.batchBytesMax
    const mergesMax = this.#context.isCramped ? 1 : this.#context.mergesMax
    const { limits } = this.#context.index
    while (this.#merges < mergesMax && this.#hasAppetite(source, true)) {
      const { rows, records, isWhole } = nextMerge(source, at, limits)
      const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
      if (this.#merges > 0 && bytes > this.#mergingRoom) return
      const cut = rows.length > 0 && this.#hasAppetite(source, isWhole) ? this.#identity(source, this.#nextOf(source)) : undefined
      if (!cut) return
      at += rows.length
      this.#merges += 1
      this.#mergingRoom -= bytes
      const before = this.#mergedOf(source)
      this.#merged.set(source, { blocks: before.blocks + rows.length, records: before.records + records })
      this.#next.set(source, cut.sequence + records)
      const gap = this.#takeHeadGap(source)
      this.steps.push({
        step: {
          kind: 'merge',
          source: source.id,
          ids: rows.map(row => row.id),
          cut,
          ...(gap && { gap }),
          ...(bytesMax !== undefined && { bytesMax }),
        },
        done: result => {
          removeUncut(source, rows)
          this.#added(source, result)
          if (result.kind === 'cut' && result.damaged) this.#context.onDamaged(source, result.damaged)
        },
        failed: () => {
          source.headGap ??= gap
        },
      })
    }
  }

  #mergedOf(source: SourceBuffer): { readonly blocks: number; readonly records: number } {
    return this.#merged.get(source) ?? { blocks: 0, records: 0 }
  }

  #writeRow(source: SourceBuffer): void {
    const row = { ...source.toRow(this.#room.withheldOf(source)), next: Math.max(source.next, this.#nextOf(source)) }
    this.steps.push({
      step: { kind: 'source', row, keepHeadGap: this.#room.isDropping(source) },
      done: () => {
        source.dirty = false
        source.rowWrittenMs = this.#context.nowMs
      },
    })
  }

  #hasAppetite(source: SourceBuffer, isWhole: boolean): boolean {
    const { attached, index } = this.#context
    if (!attached || !source.assignment || source.frozen || this.#room.isDropping(source)) return false
    const untaken = (this.#cutHere.get(source) ?? 0) + untakenOf(source, index.limits.readyBatches)
    return hasAppetite(untaken, isWhole, index.readyBytes, index.limits)
  }

  readonly #cutHere = new Map<SourceBuffer, number>()

  #identity(source: SourceBuffer, sequence: number): BatchIdentity | undefined {
    const { assignment } = source
    if (!assignment) return undefined
    this.#cutHere.set(source, (this.#cutHere.get(source) ?? 0) + 1)
    return this.#identityAt(source, assignment, sequence)
  }

  #identityAt(source: SourceBuffer, { producerId, epoch, epochStart }: Assignment, sequence: number): BatchIdentity {
    const key = sourceKey({ gateway: this.#context.gateway, source: source.source })
    return { key, producerId, epoch, epochStart, sequence }
  }

  #takeHeadGap(source: SourceBuffer): Gap | undefined {
    const gap = source.headGap
    if (!gap) return undefined
    source.headGap = undefined
    source.gapSinceMs = source.tailGap ? source.gapSinceMs : undefined
    source.dirty = true
    return gap
  }

  #nextOf(source: SourceBuffer): number {
    return this.#next.get(source) ?? source.next
  }

  #inserted(source: SourceBuffer, result: StepResult): void {
    if (result.kind === 'inserted') source.addUncut(result.row)
    else this.#added(source, result)
  }

  #added(source: SourceBuffer, result: StepResult): void {
    if (result.kind !== 'cut') return
    for (const { batch, row } of result.batches) {
      const follows = source.readyEnd === batch.sequence
      source.addCut({ id: row.id, first: batch.sequence, count: batch.count, bytes: row.bytes, timeMs: row.timeMs })
      if (!follows) continue
      const crc = batch.bytes.readUInt32BE(17)
      source.ready.push({ ...batch, source: source.source, epoch: source.assignment?.epoch ?? 0, crc })
      this.#context.index.readyBytes += row.bytes
      this.ready.add(source)
    }
  }
}

function storedBytesOf(result: StepResult): number {
  if (result.kind === 'inserted') return result.row.bytes
  return result.kind === 'cut' ? result.batches.reduce((sum, { row }) => sum + row.bytes, 0) : 0
}

type Insert = Extract<Step, { kind: 'insert' }>

/** Made name by name: it is made for each block, and of what is spread into an object an object is made first. */
function insertStep(
  source: SourceBuffer,
  block: PendingBlock,
  as: {
    cut: BatchIdentity | undefined
    likely: BatchIdentity | undefined
    gap: Gap | undefined
    bytesMax: number | undefined
  },
): Insert {
  const { plain, isShared, count, baseTimeMs, lastTimeMs } = block
  const step: { -readonly [name in keyof Insert]: Insert[name] } = {
    kind: 'insert',
    source: source.id,
    plain,
    isShared,
    count,
    baseTimeMs,
    lastTimeMs,
  }
  if (as.cut) step.cut = as.cut
  if (as.likely) step.likely = as.likely
  if (as.gap) step.gap = as.gap
  if (as.bytesMax !== undefined) step.bytesMax = as.bytesMax
  if (block.bookmark !== undefined) step.bookmark = block.bookmark
  return step
}
