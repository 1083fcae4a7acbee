import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readBatchHeader } from '../record/batch-header.ts'
import { PLACEHOLDER_RECORDS_MAX } from '../record/placeholder.ts'
import type { Gap, GapReason } from '../record/record.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { NAME_PATTERN } from '../runtime/names.ts'
import type { Assignment, BufferedCounts, CutBatch, DiskCounts, EdgeBuffer, Freeze, Inlet, Outlet } from './buffer.ts'
import type { Marks } from './marks.ts'
import { Plan, type PlanContext, READY_BATCHES_MAX } from './plan.ts'
import { Serial } from './serial.ts'
import { type CutRow, SourceBuffer, type SourceSettings, UNCUT_WINDOW_MAX } from './source-buffer.ts'
import type { Opened, SourceRow, StoreDisk } from './store.ts'
import type { AsyncStore } from './store-thread.ts'

/** Records in memory over all sources that wait for a commit. */
const PENDING_BYTES_MAX = 64 * 2 ** 20
/** Numbers that are reserved ahead of a source at the least, and for how long its present rate may go on before the next reservation, ms. */
const RESERVE_MIN = 1_000
const RESERVE_FOR_MS = 10_000
/** Rows that one look through the database brings. */
const SCAN_ROWS = 2_000
/** How often gaps, time limits and rows of sources are looked at, ms. */
const LOOK_EVERY_MS = 1_000
/** A gap that no record has declared for so long is declared by a placeholder, ms. */
const SILENT_GAP_MS = 60_000
/** A disk that is full is tried again after so long, ms. */
const FULL_RETRY_MS = 1_000

export interface BufferDeps {
  readonly gateway: string
  readonly stateDir: string
  readonly quotaBytes: number
  readonly rewindBytes: number
  readonly clock: Clock
  readonly log: Logger
  readonly alarms: Alarms
}

/**
 * The gateway's buffer. All decisions are made here, in the main thread, from an index in memory whose size does not depend on the backlog's; the
 * store does what it is told, one commit at a time:
 *
 *   IDLE ──something to write, and `durability` has passed──► COMMITTING ──on disk──► IDLE
 *                                                                │ disk full
 *                                                                └──► HELD ──a second──► IDLE
 */
export class SqliteEdgeBuffer implements EdgeBuffer {
  readonly instance: string
  readonly #deps: BufferDeps
  readonly #store: AsyncStore
  readonly #serial = new Serial()
  readonly #sources = new Map<string, SourceBuffer>()
  readonly #byId = new Map<number, SourceBuffer>()
  readonly #outlets = new Map<SourceBuffer, SourceOutlet>()
  readonly #context: PlanContext
  readonly #marks: Marks
  #attached: ((source: string) => void) | undefined
  #disk: StoreDisk
  #wanted = new Set<SourceBuffer>()
  #storedWaiters: { taken: Promise<void>; resolve: () => void } | undefined
  #commitTimer: Timer | undefined
  #lookTimer: Timer | undefined
  #lastCommitMs = Number.NEGATIVE_INFINITY
  #scheduled = false
  #committing = false
  #stale = false
  #closed = false
  readonly #rates = new Map<SourceBuffer, { atMs: number; next: number }>()

  constructor(store: AsyncStore, settings: readonly SourceSettings[], marks: Marks, instance: string, deps: BufferDeps) {
    this.#store = store
    this.#deps = deps
    this.#marks = marks
    this.instance = instance
    this.#disk = store.opened.disk
    const buffer = this
    this.#context = {
      gateway: deps.gateway,
      sources: [],
      get attached() {
        return buffer.#attached !== undefined
      },
      quotaBytes: deps.quotaBytes,
      get usedBytes() {
        return buffer.#disk.usedBytes
      },
      rewindBytes: deps.rewindBytes,
      get nowMs() {
        return deps.clock.wallMs()
      },
      readyBytes: 0,
      kept: [],
      keptBytes: 0,
      onDropped: (source, gap) => this.#told(source, gap),
      onDamaged: (source, records) => this.#damaged(source, records),
      onReady: source => this.#attached?.(source.source),
      onFull: source => this.#full(source),
    }
    this.#index(store.opened)
    this.#addConfigured(settings)
    this.#restoreFromMarks()
    this.#look()
  }

  inlet(source: string): Inlet {
    const found = this.#sources.get(source)
    if (!found) throw new HeadraceError('internal', `the buffer was not opened for source ${source}`)
    return found
  }

  outlets(): readonly Outlet[] {
    return [...this.#sources.values()].map(source => this.#outletOf(source))
  }

  outlet(source: string): Outlet | undefined {
    const found = this.#sources.get(source)
    return found && this.#outletOf(found)
  }

  attachLink(onReady: (source: string) => void): void {
    this.#attached = onReady
    for (const source of this.#sources.values()) {
      this.#wanted.add(source)
      if (source.ready.length > 0) onReady(source.source)
    }
    this.#kick()
  }

  detachLink(): void {
    this.#attached = undefined
  }

  nextSession(above = 0): Promise<number> {
    return this.#serial.run(async () => {
      this.#marks.session = Math.max(this.#marks.session, above) + 1
      await this.#store.commit({ steps: [], marks: JSON.stringify(this.#marks) })
      return this.#marks.session
    })
  }

  disk(): DiskCounts {
    return { quotaBytes: this.#deps.quotaBytes, ...this.#disk }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#commitTimer?.cancel()
    this.#lookTimer?.cancel()
    for (const source of this.#sources.values()) source.dirty = true
    await this.#serial.run(() => this.#commit())
    this.#closed = true
    await this.#serial.run(() => this.#store.close())
  }

  /** Whatever was taken before is on disk when this resolves. */
  stored(): Promise<void> {
    if (![...this.#sources.values()].some(source => source.hasPending))
      return this.#committing ? this.#serial.run(async () => {}) : Promise.resolve()
    if (!this.#storedWaiters) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#storedWaiters = { taken: promise, resolve }
    }
    return this.#storedWaiters.taken
  }

  async settleLater(source: SourceBuffer, sequence: number): Promise<void> {
    if (sequence <= source.settled) return
    for (const row of source.cut) {
      if (row.first + row.count > sequence) break
      if (row.first < source.settled) continue
      this.#context.kept.push({ source, row })
      this.#context.keptBytes += row.bytes
    }
    source.settled = sequence
    if (source.position < sequence) {
      this.#dropReady(source, sequence)
      source.position = sequence
    }
    this.#wanted.add(source)
    this.#kick()
  }

  take(source: SourceBuffer): CutBatch | undefined {
    const batch = source.take()
    if (batch) this.#context.readyBytes -= batch.bytes.length
    if (source.ready.length < READY_BATCHES_MAX / 2 && (source.uncutBlocks > 0 || source.readyEnd < source.next)) {
      this.#wanted.add(source)
      this.#kick()
    }
    return batch
  }

  /** Puts the link's place back to `sequence`, filling with placeholders what is not kept any more. */
  rewind(source: SourceBuffer, sequence: number): Promise<void> {
    return this.#serial.run(async () => {
      const inside = source.cut.find(row => row.first < sequence && row.first + row.count > sequence)
      if (inside)
        throw new HeadraceError('internal', `${source.source}: ${sequence} lies within a batch that was cut at ${inside.first}`)
      const kept = source.cut.find(row => row.first >= sequence)
      this.#dropReady(source, Number.POSITIVE_INFINITY)
      const { kept: settledRows } = this.#context
      for (const row of source.cut) {
        if (row.first < sequence) continue
        const at = settledRows.findIndex(entry => entry.row === row)
        if (at < 0) continue
        settledRows.splice(at, 1)
        this.#context.keptBytes -= row.bytes
      }
      source.settled = sequence
      source.position = sequence
      source.dirty = true
      const reason: GapReason = sequence < source.lostBelow ? 'buffer_lost' : 'core_lost'
      await this.#fill(source, sequence, kept?.first ?? source.next, reason)
      this.#wanted.add(source)
      this.#kick()
    })
  }

  fill(source: SourceBuffer, from: number, to: number): Promise<void> {
    return this.#serial.run(async () => {
      this.#dropReady(source, Number.POSITIVE_INFINITY)
      source.settled = from
      source.position = from
      source.dirty = true
      await this.#fill(source, from, to, 'buffer_lost')
      this.#wanted.add(source)
      this.#kick()
    })
  }

  async batchEndingAt(source: SourceBuffer, end: number): Promise<{ sequence: number; count: number; crc: number } | undefined> {
    const row = source.cut.find(each => each.first + each.count === end)
    if (!row) return undefined
    const [read] = await this.#store.read([row.id])
    return read && 'bytes' in read ? { sequence: row.first, count: row.count, crc: readBatchHeader(read.bytes).crc } : undefined
  }

  assign(source: SourceBuffer, assignment: Assignment): Promise<void> {
    return this.#serial.run(async () => {
      source.assignment = assignment
      await this.#writeRow(source)
      this.#wanted.add(source)
      this.#kick()
    })
  }

  freeze(source: SourceBuffer, why: Freeze): Promise<void> {
    return this.#serial.run(async () => {
      source.frozen = why
      await this.#writeRow(source)
    })
  }

  /**
   * Goes on at `end` under a new epoch, with one placeholder. What was cut and never settled has numbers that are somebody else's now: it is set
   * aside as files, and declared.
   */
  resume(source: SourceBuffer, assignment: Assignment, end: number): Promise<void> {
    return this.#serial.run(async () => {
      const unsettled = source.cut.filter(row => row.first >= source.settled)
      await this.#setAside(source, unsettled)
      const records = unsettled.reduce((sum, row) => sum + row.count, 0)
      const ids = source.cut.map(row => row.id)
      this.#context.kept.splice(0, this.#context.kept.length, ...this.#context.kept.filter(entry => entry.source !== source))
      this.#dropReady(source, Number.POSITIVE_INFINITY)
      source.cut.length = 0
      Object.assign(source, {
        assignment,
        frozen: undefined,
        settled: end,
        position: end,
        next: end,
        lostBelow: 0,
        mark: Math.max(source.mark, end),
      })
      const nowMs = this.#deps.clock.wallMs()
      const plan = new Plan({ ...this.#contextNow(), sources: [] })
      plan.steps.push(
        { step: { kind: 'forget', ids }, done: () => {} },
        { step: { kind: 'source', row: source.toRow() }, done: () => {} },
      )
      plan.placeholder(source, {
        from: end,
        count: 1,
        timeMs: nowMs,
        gap: gapAt(records, unsettled[0]?.timeMs ?? nowMs, nowMs, 'resumed'),
      })
      await this.#execute(plan)
      this.#wanted.add(source)
      this.#kick()
    })
  }

  #contextNow(): PlanContext {
    return Object.defineProperties({}, Object.getOwnPropertyDescriptors(this.#context)) as PlanContext
  }

  #outletOf(source: SourceBuffer): SourceOutlet {
    let outlet = this.#outlets.get(source)
    if (!outlet) {
      outlet = new SourceOutlet(this, source)
      this.#outlets.set(source, outlet)
    }
    return outlet
  }

  // ── commits ──

  /** Commits as soon as it is due: at once where the buffer was idle, after the shortest `durability` of what is pending otherwise. */
  #kick(): void {
    if (this.#scheduled || this.#committing || this.#closed) return
    const delayMs = this.#dueInMs()
    if (delayMs === undefined) return
    this.#scheduled = true
    const commit = () => {
      this.#commitTimer = undefined
      void this.#serial.run(async () => {
        this.#scheduled = false
        await this.#commit()
      })
    }
    if (delayMs <= 0) setImmediate(commit)
    else this.#commitTimer = this.#deps.clock.after(delayMs, commit)
  }

  #dueInMs(): number | undefined {
    let durabilityMs = Number.POSITIVE_INFINITY
    let any = false
    for (const source of this.#wanted) {
      if (source.hasPending) durabilityMs = Math.min(durabilityMs, source.settings.durabilityMs)
      else if (this.#attached && (source.uncutBlocks > 0 || source.readyEnd < source.next)) durabilityMs = 0
      any = true
    }
    if (!any) return undefined
    if (durabilityMs === Number.POSITIVE_INFINITY) durabilityMs = LOOK_EVERY_MS
    return this.#lastCommitMs + durabilityMs - this.#deps.clock.monotonicMs()
  }

  async #commit(): Promise<void> {
    if (this.#closed) return
    this.#committing = true
    const waiters = this.#storedWaiters
    this.#storedWaiters = undefined
    const sources = [...this.#wanted]
    this.#wanted = new Set()
    try {
      if (this.#stale) await this.#reload()
      await this.#refill(sources)
      this.#lastCommitMs = this.#deps.clock.monotonicMs()
      const plan = new Plan({ ...this.#contextNow(), sources }).make()
      for (const [source, blocks] of plan.withheld) {
        source.pending.unshift(...blocks)
        this.#wanted.add(source)
      }
      await this.#execute(plan)
      waiters?.resolve()
      this.#deps.alarms.clear('disk_full')
    } catch (error) {
      this.#failed(error, sources, waiters)
    } finally {
      this.#committing = false
    }
    for (const source of sources) if (this.#hasMore(source)) this.#wanted.add(source)
    if (!this.#commitTimer) this.#kick()
  }

  #hasMore(source: SourceBuffer): boolean {
    if (source.hasPending) return true
    if (!this.#attached || !source.assignment || source.frozen) return false
    return (source.uncutBlocks > 0 || source.readyEnd < source.next) && source.ready.length < READY_BATCHES_MAX
  }

  async #execute(plan: Plan): Promise<void> {
    const steps = plan.steps.filter(({ step }) => step.kind !== 'forget' || step.ids.length > 0)
    const marks = this.#reserve(plan)
    if (steps.length > 0 || marks !== undefined) {
      const { results, disk } = await this.#store.commit({
        steps: steps.map(({ step }) => step),
        ...(marks !== undefined && { marks }),
      })
      this.#disk = disk
      let at = 0
      for (const planned of plan.steps) {
        const sent = planned.step.kind !== 'forget' || planned.step.ids.length > 0
        const result = sent ? results[at++] : undefined
        planned.done(result ?? { kind: 'done' })
      }
    } else for (const { done } of plan.steps) done({ kind: 'done' })
    this.#context.keptBytes = this.#context.kept.reduce((sum, entry) => sum + entry.row.bytes, 0)
  }

  /** The marks file's new content, where numbers at or above a mark are about to be given away. */
  #reserve(plan: Plan): string | undefined {
    let any = false
    for (const [source, next] of plan.nextNumbers) {
      if (next <= source.mark) continue
      any = true
      this.#raiseMark(source, next)
    }
    if (!any) return undefined
    // One write for all that would need one soon.
    for (const source of this.#sources.values())
      if (source.assignment && source.mark - source.next < RESERVE_MIN / 2) this.#raiseMark(source, source.next)
    return JSON.stringify(this.#marks)
  }

  #raiseMark(source: SourceBuffer, next: number): void {
    const nowMs = this.#deps.clock.monotonicMs()
    const before = this.#rates.get(source)
    const perMs = before && nowMs > before.atMs ? (next - before.next) / (nowMs - before.atMs) : 0
    this.#rates.set(source, { atMs: nowMs, next })
    source.mark = Math.max(source.mark, next + Math.max(RESERVE_MIN, Math.ceil(perMs * RESERVE_FOR_MS)))
    this.#marks.sources[source.source] = {
      topic: source.settings.topic,
      mark: source.mark,
      assignment: source.assignment ?? null,
    }
  }

  async #writeRow(source: SourceBuffer): Promise<void> {
    this.#marks.sources[source.source] = {
      topic: source.settings.topic,
      mark: source.mark,
      assignment: source.assignment ?? null,
    }
    await this.#store.commit({ steps: [{ kind: 'source', row: source.toRow() }], marks: JSON.stringify(this.#marks) })
  }

  async #fill(source: SourceBuffer, from: number, to: number, reason: GapReason): Promise<void> {
    const nowMs = this.#deps.clock.wallMs()
    const plan = new Plan({ ...this.#contextNow(), sources: [] })
    plan.steps.push({ step: { kind: 'source', row: source.toRow() }, done: () => {} })
    for (let at = from; at < to; at += PLACEHOLDER_RECORDS_MAX) {
      const count = Math.min(PLACEHOLDER_RECORDS_MAX, to - at)
      plan.placeholder(source, { from: at, count, timeMs: nowMs, gap: gapAt(count, nowMs, nowMs, reason) })
    }
    await this.#execute(plan)
  }

  async #setAside(source: SourceBuffer, rows: readonly CutRow[]): Promise<void> {
    if (rows.length === 0) return
    const folder = join(this.#deps.stateDir, 'set-aside')
    mkdirSync(folder, { recursive: true })
    for (const row of rows) {
      const [read] = await this.#store.read([row.id])
      if (read && 'bytes' in read) writeFileSync(join(folder, `${source.source}-${row.first}.batch`), read.bytes)
    }
    this.#deps.log.warn(
      { source: source.source, batches: rows.length },
      `batches without a place in the log were set aside in ${folder}`,
    )
  }

  // ── the index ──

  /** Brings back into memory what the link will want next, and what of the backlog may be cut. */
  async #refill(sources: readonly SourceBuffer[]): Promise<void> {
    if (!this.#attached) return
    for (const source of sources) {
      while (source.readyEnd < source.next && source.ready.length < READY_BATCHES_MAX && !source.frozen) {
        if (!(await this.#loadReady(source))) break
      }
    }
    if (sources.some(source => source.uncutBlocks > 0 && source.uncut.length === 0)) await this.#loadUncut()
  }

  async #loadReady(source: SourceBuffer): Promise<boolean> {
    const end = source.readyEnd
    const from = source.cut.findIndex(row => row.first === end)
    const rows = from < 0 ? [] : source.cut.slice(from, from + READY_BATCHES_MAX - source.ready.length)
    if (rows.length === 0) {
      await this.#replaceLost(source, end)
      return false
    }
    const read = await this.#store.read(rows.map(row => row.id))
    for (const [index, row] of rows.entries()) {
      const batch = read[index]
      if (!batch || 'damaged' in batch) {
        await this.#replaceDamaged(source, row, batch?.damaged ?? 'it is not there')
        return false
      }
      const { crc } = readBatchHeader(batch.bytes)
      source.ready.push({
        source: source.source,
        sequence: row.first,
        count: row.count,
        bytes: batch.bytes,
        epoch: source.assignment?.epoch ?? 0,
        crc,
      })
      this.#context.readyBytes += batch.bytes.length
    }
    this.#attached?.(source.source)
    return true
  }

  /** A batch that was cut and cannot be read any more: its numbers were given away, so that something has to stand there. */
  async #replaceDamaged(source: SourceBuffer, row: CutRow, why: string): Promise<void> {
    this.#deps.log.error({ source: source.source, sequence: row.first }, `a batch in the buffer is damaged: ${why}`)
    const { assignment } = source
    if (!assignment) return
    source.cut.splice(source.cut.indexOf(row), 1)
    const plan = new Plan({ ...this.#contextNow(), sources: [] })
    plan.placeholder(source, {
      from: row.first,
      count: row.count,
      timeMs: row.timeMs,
      gap: gapAt(row.count, row.timeMs, row.timeMs, 'buffer_lost'),
    })
    plan.steps.push({ step: { kind: 'forget', ids: [row.id] }, done: () => {} })
    await this.#execute(plan)
    this.#damaged(source, row.count)
  }

  /** Rows are missing where numbers were given away. */
  async #replaceLost(source: SourceBuffer, from: number): Promise<void> {
    const following = source.cut.find(row => row.first > from)
    await this.#fill(source, from, following?.first ?? source.next, 'buffer_lost')
  }

  /** One look through the uncut blocks for all sources whose window is empty; a source that is further on passes over what it knows. */
  async #loadUncut(): Promise<void> {
    const hungry = [...this.#sources.values()].filter(
      source => source.uncutBlocks > source.uncut.length && source.uncut.length < UNCUT_WINDOW_MAX / 2,
    )
    const filled = new Set<SourceBuffer>()
    let after = Math.min(...hungry.map(source => source.loadedThrough))
    while (hungry.some(source => source.uncut.length === 0 && source.uncutBlocks > 0)) {
      const rows = await this.#store.scan(after, SCAN_ROWS)
      for (const row of rows) {
        const source = this.#byId.get(row.source)
        if (!source || row.id <= source.loadedThrough || filled.has(source)) continue
        if (source.uncut.length >= UNCUT_WINDOW_MAX) {
          filled.add(source)
          continue
        }
        source.uncut.push(row)
        source.loadedThrough = row.id
      }
      const last = rows.at(-1)
      if (!last) return
      after = last.id
    }
  }

  #index({ sources, blocks }: Opened): void {
    for (const row of sources) this.#addKnown(row)
    for (const row of blocks) {
      const source = this.#byId.get(row.source)
      if (!source) continue
      if (row.first !== null) {
        source.addCut({ id: row.id, first: row.first, count: row.count, bytes: row.bytes, timeMs: row.timeMs })
        continue
      }
      source.uncutBlocks += 1
      source.uncutRecords += row.count
      source.uncutBytes += row.bytes
      if (source.uncut.length < UNCUT_WINDOW_MAX && source.uncut.length === source.uncutBlocks - 1) {
        source.uncut.push(row)
        source.loadedThrough = row.id
      }
    }
    for (const source of this.#sources.values()) {
      for (const row of source.cut) if (row.first + row.count <= source.settled) this.#context.kept.push({ source, row })
    }
    this.#context.kept.sort((a, b) => a.row.id - b.row.id)
    this.#context.keptBytes = this.#context.kept.reduce((sum, entry) => sum + entry.row.bytes, 0)
  }

  #addKnown(row: SourceRow): void {
    const marks = this.#marks.sources[row.name]
    const source = this.#add(row.id, {
      source: row.name,
      topic: row.topic,
      whenFull: 'drop_newest',
      priority: 0,
      durabilityMs: LOOK_EVERY_MS,
    })
    Object.assign(source, {
      next: row.next,
      settled: row.settled,
      position: row.settled,
      mark: Math.max(marks?.mark ?? 0, row.next),
    })
    source.assignment = parse<Assignment>(row.assignment)
    source.frozen = parse<Freeze>(row.frozen)
    source.headGap = parse<Gap>(row.head_gap)
    source.tailGap = parse<Gap>(row.tail_gap)
    if (source.headGap || source.tailGap) source.gapSinceMs = this.#deps.clock.wallMs()
  }

  #add(id: number, settings: SourceSettings): SourceBuffer {
    const source = new SourceBuffer(id, settings, {
      onPending: pending => {
        this.#wanted.add(pending)
        this.#kick()
      },
      overTotal: () => this.#pendingBytes > PENDING_BYTES_MAX,
      stored: () => this.stored(),
    })
    this.#sources.set(settings.source, source)
    this.#byId.set(id, source)
    return source
  }

  get #pendingBytes(): number {
    let bytes = 0
    for (const source of this.#wanted) bytes += source.pendingBytes
    return bytes
  }

  #addConfigured(settings: readonly SourceSettings[]): void {
    let id = Math.max(0, ...this.#byId.keys())
    for (const each of settings) {
      if (!NAME_PATTERN.test(each.source)) throw new HeadraceError('internal', `"${each.source}" is no name of a source`)
      const known = this.#sources.get(each.source)
      const source = known ?? this.#add(++id, each)
      source.settings = known ? { ...each, topic: known.assignment ? known.settings.topic : each.topic } : each
      if (!known) source.dirty = true
      this.#wanted.add(source)
    }
  }

  /** A database that is new beside marks that are not: it was lost, or moved away because it was damaged. Every source goes on at its mark. */
  #restoreFromMarks(): void {
    for (const [name, kept] of Object.entries(this.#marks.sources)) {
      const source =
        this.#sources.get(name) ??
        this.#add(Math.max(0, ...this.#byId.keys()) + 1, {
          source: name,
          topic: kept.topic,
          whenFull: 'drop_newest',
          priority: 0,
          durabilityMs: LOOK_EVERY_MS,
        })
      source.mark = Math.max(source.mark, kept.mark)
      if (source.next > 0 || source.assignment || !kept.assignment) continue
      Object.assign(source, {
        next: kept.mark,
        settled: kept.mark,
        position: kept.mark,
        lostBelow: kept.mark,
        assignment: kept.assignment,
        dirty: true,
      })
      this.#wanted.add(source)
      this.#deps.alarms.raise('buffer_lost', {
        source: name,
        message: `The buffer's database was lost; ${name} goes on at number ${kept.mark}.`,
        advice: 'Look at the disk. What was buffered and not yet sent is declared as a gap.',
      })
    }
  }

  /** After a commit that failed: what is in memory may be ahead of the disk. */
  async #reload(): Promise<void> {
    const opened = await this.#store.index()
    this.#context.kept.length = 0
    for (const source of this.#sources.values()) {
      source.cut.length = 0
      source.uncut.length = 0
      Object.assign(source, { uncutBlocks: 0, uncutRecords: 0, uncutBytes: 0, loadedThrough: 0, dirty: true })
      const row = opened.sources.find(each => each.id === source.id)
      source.headGap = parse<Gap>(row?.head_gap ?? null)
    }
    const known = opened.sources.filter(row => !this.#byId.has(row.id))
    this.#index({ ...opened, sources: known })
    this.#stale = false
  }

  // ── what may go wrong ──

  #failed(
    error: unknown,
    sources: readonly SourceBuffer[],
    waiters: { taken: Promise<void>; resolve: () => void } | undefined,
  ): void {
    const message = messageOf(error)
    this.#stale = true
    this.#deps.log.error({}, `the buffer could not be written: ${message}`)
    this.#deps.alarms.raise('disk_full', {
      message: `The buffer cannot be written: ${message}`,
      advice:
        'Free space on the file system of the state directory, or look at the disk. Records are kept in memory meanwhile, as far as they fit.',
    })
    for (const source of sources) this.#wanted.add(source)
    if (waiters) {
      const later = this.#storedWaiters
      const resolve = () => {
        waiters.resolve()
        later?.resolve()
      }
      this.#storedWaiters = { taken: later?.taken ?? waiters.taken, resolve }
    }
    this.#commitTimer = this.#deps.clock.after(FULL_RETRY_MS, () => {
      this.#commitTimer = undefined
      void this.#serial.run(() => this.#commit())
    })
  }

  #told(source: SourceBuffer, gap: Gap): void {
    this.#deps.log.warn({ source: source.source, records: gap.records, reason: gap.reason }, 'records gave way')
  }

  #full(source: SourceBuffer): void {
    this.#deps.alarms.raise('buffer_full', {
      source: source.source,
      message: `The buffer is full: ${source.source} ${source.settings.whenFull === 'block' ? 'waits' : 'loses records'}.`,
      advice: 'Look why the core does not take what is buffered; or give the buffer a larger quota.',
    })
  }

  #damaged(source: SourceBuffer, records: number): void {
    this.#deps.alarms.raise('buffer_damaged', {
      source: source.source,
      message: `${records} buffered records of ${source.source} cannot be read any more; they are declared as a gap.`,
      advice: 'The disk gives back other bytes than were written: replace it.',
    })
  }

  #dropReady(source: SourceBuffer, below: number): void {
    source.dropReadyBelow(below)
    this.#context.readyBytes = 0
    for (const each of this.#sources.values()) for (const batch of each.ready) this.#context.readyBytes += batch.bytes.length
  }

  // ── now and then ──

  #look(): void {
    this.#lookTimer = this.#deps.clock.after(LOOK_EVERY_MS, () => this.#look(), 'background')
    void this.#serial.run(() => this.#lookNow()).catch(error => this.#failed(error, [], undefined))
  }

  async #lookNow(): Promise<void> {
    if (this.#closed || this.#stale) return
    const nowMs = this.#deps.clock.wallMs()
    const plan = new Plan({ ...this.#contextNow(), sources: [] })
    for (const source of this.#sources.values()) {
      const { ttlMs } = source.settings
      if (ttlMs !== undefined)
        plan.drop(
          source,
          source.uncut.filter(row => row.timeMs < nowMs - ttlMs),
          'expired',
        )
      if (this.#attached && isSilentGap(source, nowMs)) this.#declare(plan, source, nowMs)
    }
    if (plan.steps.length > 0) await this.#execute(plan)
    if (this.#disk.usedBytes < this.#deps.quotaBytes * 0.8)
      for (const source of this.#sources.values()) this.#deps.alarms.clear('buffer_full', source.source)
  }

  #declare(plan: Plan, source: SourceBuffer, nowMs: number): void {
    const gap = source.headGap ?? source.tailGap
    if (!gap) return
    if (source.headGap) source.headGap = undefined
    else source.tailGap = undefined
    source.gapSinceMs = source.tailGap ? nowMs : undefined
    plan.placeholder(source, { from: source.next, count: 1, timeMs: nowMs, gap })
    plan.steps.push({ step: { kind: 'source', row: source.toRow() }, done: () => {} })
  }
}

function isSilentGap(source: SourceBuffer, nowMs: number): boolean {
  if (source.gapSinceMs === undefined || nowMs - source.gapSinceMs < SILENT_GAP_MS) return false
  return source.uncutBlocks === 0 && !source.hasPending && source.assignment !== undefined && source.frozen === undefined
}

function gapAt(records: number, fromMs: number, toMs: number, reason: GapReason): Gap {
  return { records, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), reason }
}

function parse<T>(text: string | null): T | undefined {
  return text === null ? undefined : (JSON.parse(text) as T)
}

/** The link's view of one source. */
class SourceOutlet implements Outlet {
  readonly #buffer: SqliteEdgeBuffer
  readonly #source: SourceBuffer

  constructor(buffer: SqliteEdgeBuffer, source: SourceBuffer) {
    this.#buffer = buffer
    this.#source = source
  }

  get source(): string {
    return this.#source.source
  }

  get topic(): string {
    return this.#source.settings.topic
  }

  get assignment(): Assignment | undefined {
    return this.#source.assignment
  }

  get frozen(): Freeze | undefined {
    return this.#source.frozen
  }

  get settled(): number {
    return this.#source.settled
  }

  get next(): number {
    return this.#source.next
  }

  get position(): number {
    return this.#source.position
  }

  take(): CutBatch | undefined {
    return this.#buffer.take(this.#source)
  }

  settle(sequence: number): void {
    void this.#buffer.settleLater(this.#source, sequence)
  }

  rewind(sequence: number): Promise<void> {
    return this.#buffer.rewind(this.#source, sequence)
  }

  batchEndingAt(end: number) {
    return this.#buffer.batchEndingAt(this.#source, end)
  }

  fill(from: number, to: number): Promise<void> {
    return this.#buffer.fill(this.#source, from, to)
  }

  assign(assignment: Assignment): Promise<void> {
    return this.#buffer.assign(this.#source, assignment)
  }

  freeze(why: Freeze): Promise<void> {
    return this.#buffer.freeze(this.#source, why)
  }

  resume(assignment: Assignment, end: number): Promise<void> {
    return this.#buffer.resume(this.#source, assignment, end)
  }

  buffered(): BufferedCounts {
    return this.#source.buffered()
  }
}
