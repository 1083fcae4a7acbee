import { join } from 'node:path'
import { readBatchHeader } from '../record/batch-header.ts'
import { gapAt } from '../record/gap.ts'
import type { GapReason } from '../record/record.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { type Boot, systemBoot } from '../runtime/boot.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import {
  type Assignment,
  type CutBatch,
  type DiskCounts,
  type EdgeBuffer,
  type Freeze,
  type Inlet,
  type Kept,
  OLDER_COPY,
  type Outlet,
  type OwnBatch,
  type SourceSettings,
} from './buffer.ts'
import { BufferAlarms } from './buffer-alarms.ts'
import { BufferIndex } from './buffer-index.ts'
import { ClockWatch } from './clock-watch.ts'
import { Commits } from './commits.ts'
import { FlashPace } from './flash-pace.ts'
import { Gathered } from './gathered.ts'
import { BUFFER_LIMITS, type BufferLimits } from './limits.ts'
import type { Marks } from './marks.ts'
import { Refill } from './refill.ts'
import type { RenewableStore } from './renewable-store.ts'
import { Reservations } from './reservations.ts'
import { Serial } from './serial.ts'
import { oldestUncut, setAside } from './set-aside.ts'
import type { SourceBuffer, SourceHooks } from './source-buffer.ts'
import { type OutletHost, SourceOutlet } from './source-outlet.ts'
import { Upkeep } from './upkeep.ts'

export interface BufferDeps {
  readonly gateway: string
  /** `<state>/edge`; made where it is missing. */
  readonly stateDir: string
  readonly quotaBytes: number
  readonly rewindBytes: number
  /** Bytes that may be written in a day, where the disk wears out. */
  readonly flashBytesPerDay?: number
  readonly clock: Clock
  readonly log: Logger
  readonly alarms: Alarms
  /** The machine's, unless set. */
  readonly boot?: Boot
  /** {@link BUFFER_LIMITS}, unless set; who opens it sets those of the machine. */
  readonly limits?: BufferLimits
  /** Makes what knows the database, in place of {@link BufferIndex}: a test hands in what breaks a rule. */
  readonly newIndex?: (hooks: SourceHooks) => BufferIndex
}

/**
 * The gateway's buffer. All decisions are made in the main thread, from an index in memory whose size does not depend on the backlog's; the store
 * does what it is told, one commit at a time, as {@link Commits} has it. Here is what sources, link and time want of it.
 */
export class SqliteEdgeBuffer implements EdgeBuffer, OutletHost {
  readonly instance: string
  readonly #deps: BufferDeps
  readonly #store: RenewableStore
  readonly #serial = new Serial()
  readonly #index: BufferIndex
  readonly #outlets = new Map<SourceBuffer, SourceOutlet>()
  #allOutlets: readonly SourceOutlet[] = []
  readonly #reservations: Reservations
  readonly #alarms: BufferAlarms
  readonly #pace: FlashPace
  readonly #refill: Refill
  readonly #commits: Commits
  readonly #upkeep: Upkeep
  readonly #assigning: Gathered<Assignment>
  readonly #freezing: Gathered<Freeze>
  #attached: ((source: string) => void) | undefined

  constructor(store: RenewableStore, settings: readonly SourceSettings[], marks: Marks, instance: string, deps: BufferDeps) {
    this.#store = store
    this.#deps = deps
    this.instance = instance
    this.#reservations = new Reservations(marks, deps.clock)
    this.#alarms = new BufferAlarms(deps.alarms, deps.log)
    const watch = new ClockWatch(deps.clock, deps.boot ?? systemBoot())
    this.#pace = new FlashPace({ perDay: deps.flashBytesPerDay, clock: deps.clock, alarms: deps.alarms })
    const pending = { bytes: 0, waiting: new Set<SourceBuffer>() }
    const newIndex = deps.newIndex ?? (hooks => new BufferIndex(hooks))
    this.#index = newIndex({
      pending,
      limits: deps.limits ?? BUFFER_LIMITS,
      stampFor: timeMs => watch.stampFor(timeMs),
      onPending: source => this.#commits.want(source),
      onPressed: source => this.#commits.want(source),
      stored: source => this.#commits.stored(source),
    })
    this.#refill = new Refill({
      store,
      index: this.#index,
      ...deps,
      alarms: this.#alarms,
      plan: () => this.#commits.plan(),
      execute: plan => this.#commits.execute(plan),
      onReady: () => this.#attached,
    })
    const parts = {
      ...deps,
      store,
      index: this.#index,
      pending,
      serial: this.#serial,
      reservations: this.#reservations,
      refill: this.#refill,
      watch,
      pace: this.#pace,
      alarms: this.#alarms,
      onReady: () => this.#attached,
    }
    this.#commits = new Commits(parts)
    this.#upkeep = new Upkeep({ ...parts, commits: this.#commits })
    this.#assigning = new Gathered(this.#serial, assigned => this.#writeAssigned(assigned))
    this.#freezing = new Gathered(this.#serial, frozen => this.#writeFrozen(frozen))
    this.#index.load(store.opened)
    for (const source of this.#index.sources.values()) source.blocksAtOpen = source.uncutBlocks
    for (const source of this.#index.configure(settings)) this.#commits.note(source)
    for (const source of this.#index.restore(marks, deps.clock.wallMs())) {
      this.#commits.note(source)
      this.#alarms.lost(source)
    }
    this.#upkeep.start()
  }

  inlet(source: string): Inlet {
    const found = this.#index.sources.get(source)
    if (!found) throw new HeadraceError('internal', `the buffer was not opened for source ${source}`)
    return found
  }

  configure(settings: readonly SourceSettings[]): void {
    for (const source of this.#index.configure(settings)) this.#commits.want(source)
    this.#index.retireOthers(settings)
  }

  outlets(): readonly Outlet[] {
    const { sources } = this.#index
    // One that was known once stays known: all that can be new is that there are more.
    if (this.#allOutlets.length !== sources.size) this.#allOutlets = [...sources.values()].map(source => this.#outletOf(source))
    return this.#allOutlets
  }

  outlet(source: string): Outlet | undefined {
    const found = this.#index.sources.get(source)
    return found && this.#outletOf(found)
  }

  attachLink(onReady: (source: string) => void): void {
    this.#attached = onReady
    for (const source of this.#index.sources.values()) {
      this.#commits.note(source)
      if (source.ready.length > 0) onReady(source.source)
    }
    this.#commits.kick()
  }

  detachLink(): void {
    this.#attached = undefined
  }

  nextSession(above = 0): Promise<number> {
    return this.#serial.run(async () => {
      const { marks } = this.#reservations
      marks.session = Math.max(marks.session, above) + 1
      await this.#store.commit({ steps: [], marks: this.#reservations.text() })
      this.#reservations.written()
      return marks.session
    })
  }

  answered(): Promise<void> {
    return this.#serial.run(async () => {
      await this.#store.read([])
    })
  }

  disk(): DiskCounts {
    const { quotaBytes, flashBytesPerDay } = this.#deps
    return {
      quotaBytes,
      ...this.#commits.disk,
      writtenPerDayBytes: this.#pace.perDayNow,
      flashBytesPerDay: flashBytesPerDay ?? null,
    }
  }

  hurry(): void {
    this.#commits.hurry()
  }

  async close(): Promise<void> {
    if (this.#commits.isClosed) return
    this.#upkeep.stop()
    await this.#commits.close()
  }

  settle(source: SourceBuffer, sequence: number): void {
    if (sequence <= source.settled) return
    for (let at = source.cut.from(source.settled); at < source.cut.length; at++) {
      const row = source.cut.at(at)
      if (!row || row.first + row.count > sequence) break
      this.#index.kept.add({ source: source.id, id: row.id, first: row.first, bytes: row.bytes })
    }
    source.settled = sequence
    if (source.position < sequence) {
      this.#index.dropReady(source, sequence)
      source.position = sequence
    }
    this.#commits.want(source)
  }

  take(source: SourceBuffer): CutBatch | undefined {
    const batch = source.take()
    // The log follows on what this database holds.
    source.blocksAtOpen = 0
    if (batch) this.#index.readyBytes -= batch.bytes.length
    if (source.ready.length < this.#index.limits.readyBatches / 2 && (source.uncutBlocks > 0 || source.readyEnd < source.next))
      this.#commits.want(source)
    return batch
  }

  /** Puts the link's place back to `sequence`, filling with placeholders what is not kept any more. */
  async rewind(source: SourceBuffer, sequence: number): Promise<void> {
    const before = source.cut.at(source.cut.from(sequence) - 1)
    const around = before && before.first + before.count > sequence ? before : undefined
    if (around && !(await this.#refill.own(around)).standsForLost?.()) {
      throw new HeadraceError('not_found', `${source.source}: ${sequence} lies within a batch that was cut at ${around.first}`)
    }
    return this.#change(source, async () => {
      const to = source.cut.at(source.cut.from(sequence))?.first ?? source.next
      this.#index.dropReady(source, Number.POSITIVE_INFINITY)
      this.#index.kept.release(source.id, around?.first ?? sequence)
      Object.assign(source, { settled: sequence, position: sequence, dirty: true })
      const reason: GapReason = around || sequence < source.lostBelow ? 'buffer_lost' : 'core_lost'
      await this.#refill.fill(source, { from: sequence, to, reason, instead: around })
      this.#commits.want(source)
    })
  }

  kept(source: SourceBuffer, from: number, to: number): Promise<Kept> {
    return this.#serial.run(async () => {
      const at = source.cut.from(from)
      const before = source.cut.at(at - 1)
      const begin = before && before.first + before.count > from ? at - 1 : at
      const { keptAtOnce } = this.#index.limits
      const rows = source.cut.slice(begin, begin + keptAtOnce).filter(row => row.first < to)
      const read = await this.#store.read(rows.map(row => row.id))
      const batches: CutBatch[] = []
      const gone: { from: number; to: number }[] = []
      let next = from
      for (const [index, { first, count }] of rows.entries()) {
        const found = read[index]
        if (!found || 'damaged' in found) continue
        if (first > next) gone.push({ from: next, to: first })
        const { crc, producerEpoch } = readBatchHeader(found.bytes)
        batches.push({ source: source.source, sequence: first, count, bytes: found.bytes, epoch: producerEpoch, crc })
        next = first + count
      }
      // Behind the last one that was looked at nothing is known yet.
      const last = rows.length < keptAtOnce ? undefined : rows.at(-1)
      const known = last ? Math.min(to, last.first + last.count) : to
      if (next < known) gone.push({ from: next, to: known })
      return { batches, gone }
    })
  }

  fill(source: SourceBuffer, from: number, to: number): Promise<void> {
    return this.#change(source, async () => {
      this.#index.dropReady(source, Number.POSITIVE_INFINITY)
      Object.assign(source, { settled: from, position: from, dirty: true })
      await this.#refill.fill(source, { from, to, reason: 'buffer_lost' })
      this.#commits.want(source)
    })
  }

  async batchBefore(source: SourceBuffer, end: number): Promise<OwnBatch | undefined> {
    const row = source.cut.at(source.cut.from(end) - 1)
    return row && row.first + row.count >= end ? this.#refill.own(row) : undefined
  }

  assign(source: SourceBuffer, assignment: Assignment): Promise<void> {
    return this.#assigning.add(source, assignment)
  }

  #writeAssigned(assigned: ReadonlyMap<SourceBuffer, Assignment>): Promise<void> {
    const sources = [...assigned.keys()]
    return this.#orPutBack(sources, async () => {
      for (const [source, assignment] of assigned) source.assignment = assignment
      await this.#commits.writeRows(sources)
      for (const source of sources) this.#commits.want(source)
    })
  }

  freeze(source: SourceBuffer, why: Freeze): Promise<void> {
    return this.#freezing.add(source, why)
  }

  async #writeFrozen(frozen: ReadonlyMap<SourceBuffer, Freeze>): Promise<void> {
    for (const [source, why] of frozen) {
      const olderBlocks = OLDER_COPY.has(why.code) ? Math.min(source.blocksAtOpen, source.uncutBlocks) : 0
      source.frozen = olderBlocks > 0 ? { ...why, olderBlocks } : why
      // Nobody takes them now, and others could use the room.
      this.#index.dropReady(source, Number.POSITIVE_INFINITY)
    }
    await this.#commits.writeRows([...frozen.keys()])
  }

  /**
   * Goes on at `end` under a new epoch, with one placeholder. What was cut and never settled has numbers that are somebody else's now, and what an
   * older copy of the database held may be in the log: both are set aside as files, and declared.
   */
  resume(source: SourceBuffer, assignment: Assignment, end: number): Promise<void> {
    return this.#change(source, async () => {
      // What was settled and is not in the log any more, or not yet, gets other numbers as well.
      const from = Math.min(source.settled, end)
      const unsettled = source.cut.slice(source.cut.from(from))
      const { stateDir, log } = this.#deps
      const older = await oldestUncut(this.#store, source.id, {
        blocks: source.frozen?.olderBlocks ?? 0,
        scanRows: this.#index.limits.scanRows,
      })
      const aside = [...unsettled, ...older]
      await setAside({ store: this.#store, folder: join(stateDir, 'set-aside'), log }, source.source, aside)
      const records = Math.max(0, source.next - from) + older.reduce((sum, row) => sum + row.count, 0)
      const ids = [...source.cut.slice(0), ...older].map(row => row.id)
      source.forgetUncut(older)
      this.#index.kept.release(source.id, 0)
      this.#index.dropReady(source, Number.POSITIVE_INFINITY)
      source.cut.clear()
      const mark = Math.max(source.mark, end)
      Object.assign(source, { assignment, frozen: undefined, settled: end, position: end, next: end, lostBelow: 0, mark })
      const nowMs = this.#deps.clock.wallMs()
      const plan = this.#commits.plan()
      plan.steps.push(
        { step: { kind: 'forget', ids }, done: () => {} },
        { step: { kind: 'source', row: source.toRow() }, done: () => {} },
      )
      const gap = gapAt(records, aside[0]?.timeMs ?? nowMs, nowMs, 'resumed')
      plan.placeholder(source, { from: end, count: 1, timeMs: nowMs, gap })
      // With the very commit: a database that is lost after it would go on under the epoch before.
      this.#reservations.note(source)
      await this.#commits.execute(plan)
      this.#commits.want(source)
    })
  }

  /** What the link wants of a source counts once it is on disk: where that fails, the source is what it was, and the link asks again. */
  #change(source: SourceBuffer, change: () => Promise<void>): Promise<void> {
    return this.#serial.run(() => this.#orPutBack([source], change))
  }

  async #orPutBack(sources: readonly SourceBuffer[], change: () => Promise<void>): Promise<void> {
    const puttingBack = sources.map(source => source.remember())
    try {
      await change()
    } catch (error) {
      for (const putBack of puttingBack) putBack()
      this.#commits.failed(error, sources)
      throw error
    }
  }

  #outletOf(source: SourceBuffer): SourceOutlet {
    let outlet = this.#outlets.get(source)
    if (!outlet) {
      outlet = new SourceOutlet(this, source)
      this.#outlets.set(source, outlet)
    }
    return outlet
  }
}
