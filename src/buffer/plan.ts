import type { BatchIdentity } from '../record/batch-writer.ts'
import type { Gap } from '../record/record.ts'
import { sourceKey } from '../runtime/names.ts'
import { BLOCK_RECORDS_MAX, type CutRow, type PendingBlock, type SourceBuffer } from './source-buffer.ts'
import type { BlockRow, Step, StepResult } from './store.ts'

/** Batches of a source that are cut ahead of the link: a few more than it may have in flight, so that none waits for a commit. */
export const READY_BATCHES_MAX = 8
/** Encoded batches in memory over all sources; past that what comes is written uncut. */
export const READY_BYTES_MAX = 32 * 2 ** 20
/** Batches made from a backlog in one commit: more, and live records wait for it. */
const MERGES_PER_COMMIT_MAX = 64
/** Stored bytes of uncut blocks that go into one batch; compressed about as they were, it fits into one AMQP frame. */
const MERGE_BYTES_MAX = 96 * 1024
/** Blocks deleted in one commit. */
const DELETES_PER_COMMIT_MAX = 500
/** Part of the quota that stays free: pages are freed by rows, and filled by bytes. */
const FREE_PART = 0.05

/** A step, and what is to be done when it is on disk. */
export interface Planned {
  readonly step: Step
  done(result: StepResult): void
}

export interface PlanContext {
  readonly gateway: string
  readonly sources: readonly SourceBuffer[]
  readonly attached: boolean
  readonly quotaBytes: number
  readonly usedBytes: number
  readonly rewindBytes: number
  readonly nowMs: number
  /** Bytes of encoded batches in memory. */
  readyBytes: number
  /** Settled rows, first settled first. */
  readonly kept: { source: SourceBuffer; row: CutRow }[]
  keptBytes: number
  onDropped(source: SourceBuffer, gap: Gap): void
  onDamaged(source: SourceBuffer, records: number): void
  onReady(source: SourceBuffer): void
  onFull(source: SourceBuffer): void
}

/**
 * Decides what the next commit does. Numbers are given here, one after another, and count only when the commit is on disk: there is never more
 * than one under way.
 */
export class Plan {
  readonly steps: Planned[] = []
  readonly #context: PlanContext
  /** Next number of each source within this plan. */
  readonly #next = new Map<SourceBuffer, number>()
  #merges = 0

  constructor(context: PlanContext) {
    this.#context = context
  }

  /** Numbers up to which each source is cut by this plan. */
  get nextNumbers(): ReadonlyMap<SourceBuffer, number> {
    return this.#next
  }

  make(): this {
    const { sources } = this.#context
    for (const source of sources) source.flush()
    this.#makeRoom()
    for (const source of sources) {
      if (source.uncutBlocks > 0) this.#merge(source)
      if (source.pending.length > 0) this.#insert(source)
    }
    this.#forgetBeyondWindow()
    for (const source of sources) if (source.dirty) this.#writeRow(source)
    return this
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

  #insert(source: SourceBuffer): void {
    // Behind a backlog nothing is cut at once: numbers follow the order in which records came.
    let atOnce = source.uncutBlocks === 0
    for (const block of source.pending) {
      const cut = atOnce && this.#hasAppetite(source) ? this.#identity(source, this.#nextOf(source)) : undefined
      if (!cut) atOnce = false
      const gap = cut ? this.#takeHeadGap(source) : undefined
      if (cut) this.#next.set(source, cut.sequence + block.count)
      this.steps.push({ step: insertStep(source, block, cut, gap), done: result => this.#inserted(source, result) })
    }
    const blocks = source.pending.length
    this.steps.push({ step: { kind: 'forget', ids: [] }, done: () => source.unpend(blocks) })
  }

  #merge(source: SourceBuffer): void {
    let at = 0
    while (this.#merges < MERGES_PER_COMMIT_MAX && this.#hasAppetite(source)) {
      const rows: BlockRow[] = []
      let records = 0
      let bytes = 0
      for (let row = source.uncut[at]; row; row = source.uncut[at]) {
        if (rows.length > 0 && (records + row.count > BLOCK_RECORDS_MAX || bytes + row.bytes > MERGE_BYTES_MAX)) break
        rows.push(row)
        records += row.count
        bytes += row.bytes
        at += 1
      }
      const cut = rows.length > 0 ? this.#identity(source, this.#nextOf(source)) : undefined
      if (!cut) return
      this.#merges += 1
      this.#next.set(source, cut.sequence + records)
      const gap = this.#takeHeadGap(source)
      this.steps.push({
        step: { kind: 'merge', source: source.id, ids: rows.map(row => row.id), cut, ...(gap && { gap }) },
        done: result => {
          this.#removeUncut(source, rows)
          this.#added(source, result)
          if (result.kind === 'inserted' && result.damaged) this.#context.onDamaged(source, result.damaged)
        },
      })
    }
  }

  /** Room for what is to be written: settled batches go first, then uncut records of whoever lets its oldest go, lowest priority first. */
  #makeRoom(): void {
    const { sources, quotaBytes, usedBytes } = this.#context
    const wanted = sources.reduce((sum, source) => sum + source.pendingBytes, 0)
    let short = usedBytes + wanted - quotaBytes * (1 - FREE_PART)
    if (short <= 0) return
    short -= this.#forget(short)
    if (short > 0) short -= this.#dropOldest(short)
    if (short <= 0) return
    for (const source of sources) {
      if (source.pendingBytes === 0) continue
      this.#context.onFull(source)
      if (source.settings.whenFull === 'block') this.#heldBack.add(source)
      else source.dropPending('buffer_full', this.#context.nowMs)
    }
    for (const source of this.#heldBack) this.#withhold(source)
  }

  readonly #heldBack = new Set<SourceBuffer>()
  readonly withheld = new Map<SourceBuffer, PendingBlock[]>()

  /** A source that may wait keeps its records in memory until there is room; its device is not read meanwhile. */
  #withhold(source: SourceBuffer): void {
    this.withheld.set(source, source.pending.splice(0))
  }

  #dropOldest(wantedBytes: number): number {
    const { sources } = this.#context
    const giving = sources
      .filter(source => source.settings.whenFull === 'drop_oldest' && source.uncut.length > 0)
      .sort((a, b) => a.settings.priority - b.settings.priority || (a.uncut[0]?.id ?? 0) - (b.uncut[0]?.id ?? 0))
    let freed = 0
    for (const source of giving) {
      const rows: BlockRow[] = []
      for (const row of source.uncut) {
        if (freed >= wantedBytes || rows.length >= DELETES_PER_COMMIT_MAX) break
        rows.push(row)
        freed += row.bytes
      }
      this.drop(source, rows, 'buffer_full')
      if (freed >= wantedBytes) break
    }
    return freed
  }

  /** Uncut blocks give way; their source's next batch says so. */
  drop(source: SourceBuffer, rows: readonly BlockRow[], reason: 'buffer_full' | 'expired'): void {
    if (rows.length === 0) return
    const gap = source.headGap
    // Taken out at once, so that this plan does not cut them as well.
    this.#removeUncut(source, rows)
    this.steps.push({
      step: { kind: 'drop', source: source.id, ids: rows.map(row => row.id), reason, ...(gap && { gap }) },
      done: result => {
        if (result.kind !== 'dropped') return
        source.headGap = result.gap
        source.gapSinceMs ??= this.#context.nowMs
        this.#context.onDropped(source, result.gap)
        source.countDropped(rows.reduce((sum, row) => sum + row.count, 0))
      },
    })
    this.#dropping.add(source)
  }

  readonly #dropping = new Set<SourceBuffer>()

  /** Forgets settled batches, oldest first; gives the bytes that this frees. */
  #forget(wantedBytes: number): number {
    const { kept } = this.#context
    const going: { source: SourceBuffer; row: CutRow }[] = []
    let freed = 0
    while (freed < wantedBytes && going.length < DELETES_PER_COMMIT_MAX && going.length < kept.length) {
      const entry = kept[going.length]
      if (!entry) break
      going.push(entry)
      freed += entry.row.bytes
    }
    if (going.length === 0) return 0
    kept.splice(0, going.length)
    this.#context.keptBytes -= freed
    this.steps.push({
      step: { kind: 'forget', ids: going.map(entry => entry.row.id) },
      done: () => {
        for (const { source, row } of going) {
          const at = source.cut.indexOf(row)
          if (at >= 0) source.cut.splice(at, 1)
        }
      },
    })
    // What the blocks said of `next` and `settled` has to stand somewhere else before they go.
    for (const { source } of going) source.dirty = true
    return freed
  }

  #forgetBeyondWindow(): void {
    const over = this.#context.keptBytes - this.#context.rewindBytes
    if (over > 0) this.#forget(over)
  }

  #writeRow(source: SourceBuffer): void {
    const next = this.#nextOf(source)
    this.steps.push({
      step: {
        kind: 'source',
        row: { ...source.toRow(), next: Math.max(source.next, next), ...(this.#dropping.has(source) && { head_gap: null }) },
      },
      done: () => {
        source.dirty = this.#dropping.has(source)
      },
    })
  }

  #hasAppetite(source: SourceBuffer): boolean {
    const { attached, readyBytes } = this.#context
    if (!attached || !source.assignment || source.frozen || this.#dropping.has(source)) return false
    // Counted in batches that are cut and not yet taken, in memory or not.
    return readyBytes < READY_BYTES_MAX && this.#untaken(source) < READY_BATCHES_MAX
  }

  #untaken(source: SourceBuffer): number {
    let untaken = this.#cutHere.get(source) ?? 0
    for (let at = source.cut.length - 1; at >= 0; at--) {
      const row = source.cut[at]
      if (!row || row.first < source.position || untaken >= READY_BATCHES_MAX) break
      untaken += 1
    }
    return untaken
  }

  readonly #cutHere = new Map<SourceBuffer, number>()

  #identity(source: SourceBuffer, sequence: number): BatchIdentity | undefined {
    const { assignment } = source
    if (!assignment) return undefined
    this.#cutHere.set(source, (this.#cutHere.get(source) ?? 0) + 1)
    return {
      key: sourceKey({ gateway: this.#context.gateway, source: source.source }),
      producerId: assignment.producerId,
      epoch: assignment.epoch,
      epochStart: assignment.epochStart,
      sequence,
    }
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
    if (result.kind !== 'inserted') return
    if (result.batch) {
      this.#added(source, result)
      return
    }
    const { row } = result
    source.uncutBlocks += 1
    source.uncutRecords += row.count
    source.uncutBytes += row.bytes
    // Only where nothing between is missing in the window may it go on there.
    if (source.uncut.length + 1 === source.uncutBlocks) {
      source.uncut.push(row)
      source.loadedThrough = row.id
    }
  }

  #added(source: SourceBuffer, result: StepResult): void {
    if (result.kind !== 'inserted' || !result.batch) return
    const { batch, row } = result
    const follows = source.readyEnd === batch.sequence
    source.addCut({ id: row.id, first: batch.sequence, count: batch.count, bytes: row.bytes, timeMs: row.timeMs })
    if (!follows) return
    const crc = batch.bytes.readUInt32BE(17)
    source.ready.push({ ...batch, source: source.source, epoch: source.assignment?.epoch ?? 0, crc })
    this.#context.readyBytes += row.bytes
    this.#context.onReady(source)
  }

  #removeUncut(source: SourceBuffer, rows: readonly BlockRow[]): void {
    const gone = new Set(rows)
    const left = source.uncut.filter(row => !gone.has(row))
    source.uncut.splice(0, source.uncut.length, ...left)
    source.uncutBlocks -= rows.length
    for (const row of rows) {
      source.uncutRecords -= row.count
      source.uncutBytes -= row.bytes
    }
  }
}

function insertStep(source: SourceBuffer, block: PendingBlock, cut: BatchIdentity | undefined, gap: Gap | undefined): Step {
  const { plain, count, baseTimeMs, lastTimeMs } = block
  return { kind: 'insert', source: source.id, plain, count, baseTimeMs, lastTimeMs, ...(cut && { cut }), ...(gap && { gap }) }
}
