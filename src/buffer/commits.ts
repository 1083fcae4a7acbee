import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { hasAppetite, nextMerge, untakenOf } from './appetite.ts'
import type { BufferAlarms } from './buffer-alarms.ts'
import type { BufferIndex } from './buffer-index.ts'
import type { ClockWatch } from './clock-watch.ts'
import { CommitTimer } from './commit-timer.ts'
import { CommitWaiters } from './commit-waiters.ts'
import type { FlashPace } from './flash-pace.ts'
import { ForgetPace } from './forget-pace.ts'
import { MergePace } from './merge-pace.ts'
import { Owed } from './owed.ts'
import { Plan, type PlanContext } from './plan.ts'
import type { Refill } from './refill.ts'
import { isDamaged, type RenewableStore } from './renewable-store.ts'
import type { Reservations } from './reservations.ts'
import { emptyBytesOf } from './room.ts'
import type { Serial } from './serial.ts'
import type { SourceBuffer } from './source-buffer.ts'
import type { StoreDisk } from './store-calls.ts'

/** How often rows of sources are written, where nothing else is, ms. */
const ROWS_EVERY_MS = 1_000
/** How often records that wait for room are tried, where their durability is shorter, ms. */
const ROOM_LOOK_EVERY_MS = 20
/** A disk that is full is tried again after so long, ms. */
const FULL_RETRY_MS = 1_000
/** Commits with which a gateway that stops writes what it has: each gives up so much of what is oldest that a few are enough. */
const CLOSING_COMMITS_MAX = 1_000

export interface CommitsDeps {
  readonly gateway: string
  readonly quotaBytes: number
  readonly rewindBytes: number
  readonly clock: Clock
  readonly store: RenewableStore
  readonly index: BufferIndex
  /** What was taken and is not on disk, over all sources. */
  readonly pending: { readonly bytes: number }
  /** Commits take their turn in it, with what else changes the buffer. */
  readonly serial: Serial
  readonly reservations: Reservations
  readonly refill: Refill
  readonly watch: ClockWatch
  readonly pace: FlashPace
  readonly alarms: BufferAlarms
  /** Whom the attached link wants told that a source has a batch; undefined without a link. */
  onReady(): ((source: string) => void) | undefined
}

/**
 * When the buffer writes, and what becomes of it: one commit at a time.
 *
 *   IDLE ──something to write, and `durability` has passed──► COMMITTING ──on disk──► IDLE
 *                                                                │ disk full
 *                                                                ├──► HELD ──a second──► IDLE
 *                                                                │ the database is damaged
 *                                                                └──► HELD ──a second, moved aside, an empty one at the marks──► IDLE
 */
export class Commits {
  readonly #deps: CommitsDeps
  readonly #timer: CommitTimer
  readonly #waiters = new CommitWaiters()
  readonly #merging: MergePace
  readonly #forgetting: ForgetPace
  #disk: StoreDisk
  /** Sources that the next commit looks at. */
  #wanted = new Set<SourceBuffer>()
  #lastCommitMs = Number.NEGATIVE_INFINITY
  #lastFlushMs = Number.NEGATIVE_INFINITY
  #committing = false
  /** Of these more was pending than one commit takes: the next follows at once, and begins with them. */
  #left: readonly SourceBuffer[] = []
  /** Of these the block that is being filled was due, and has its turn in the next. */
  #due: readonly SourceBuffer[] = []
  /** Durability is waited for no longer. */
  #isHurried = false
  /** The next commit is the last one, and takes all there is. */
  #isClosing = false
  /** What is in memory may be ahead of the disk: the last commit failed. */
  #stale = false
  /** What is wrong with the database, where it does not hold what was written: another one takes its place. */
  #damage: string | undefined
  /** There was no room for the last commit. */
  #isCramped = false
  /** The last commit failed. */
  #isRetry = false
  readonly #owed = new Owed()
  #closed = false

  constructor(deps: CommitsDeps) {
    this.#deps = deps
    this.#disk = deps.store.opened.disk
    this.#merging = new MergePace(deps.clock, deps.index.limits.mergesPerCommit)
    this.#forgetting = new ForgetPace({ ...deps, kept: deps.index.kept, limits: deps.index.limits })
    this.#timer = new CommitTimer(deps.clock, () => void deps.serial.run(() => this.#commit()))
  }

  /** As it was after the last commit. */
  get disk(): StoreDisk {
    return this.#disk
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether what is in memory is what is on disk, and may be changed there. */
  get isSound(): boolean {
    return !this.#closed && !this.#stale
  }

  hurry(): void {
    this.#isHurried = true
    this.kick()
  }

  /** Commits all that there is, a last time, and closes the store. */
  async close(): Promise<void> {
    const { serial, index, store, alarms } = this.#deps
    this.#timer.cancel()
    await serial.run(async () => {
      this.#isClosing = true
      for (const source of index.sources.values()) {
        source.dirty = true
        this.#wanted.add(source)
      }
      for (let commits = 0; commits < CLOSING_COMMITS_MAX && (await this.#commitsSomething()); commits++);
    })
    this.#closed = true
    this.#timer.cancel()
    for (const source of index.sources.values()) if (source.hasPending) alarms.leftBehind(source)
    await serial.run(() => store.close())
  }

  /** A commit of all that there is; whether there is more, for which it made room, or which a disk that was full until now has to be asked for once more. */
  async #commitsSomething(): Promise<boolean> {
    this.#lastFlushMs = Number.NEGATIVE_INFINITY
    const isNews = await this.#commit()
    return isNews && this.#deps.pending.bytes > 0
  }

  /** What the next commit does; empty until it is made. */
  plan(sources: readonly SourceBuffer[] = []): Plan {
    const { gateway, quotaBytes, clock, index, watch, alarms, onReady } = this.#deps
    const context: PlanContext = {
      gateway,
      quotaBytes,
      sources,
      index,
      attached: onReady() !== undefined && !watch.isAwaited,
      usedBytes: this.#disk.usedBytes,
      mergesMax: this.#merging.merges,
      isCramped: this.#isCramped,
      isRetry: this.#isRetry,
      bytesMax: this.#isClosing ? Number.POSITIVE_INFINITY : index.limits.commitBytes,
      nowMs: clock.wallMs(),
      beyondWindow: () => this.#forgetting.next(),
      onDropped: (source, gap, reason) => alarms.gaveWay(source, gap, reason),
      onDamaged: (source, records) => alarms.damaged(source, records),
      onFull: source => alarms.full(source),
    }
    return new Plan(context)
  }

  /** Whatever the source took before is on disk when this resolves. */
  async stored(source: SourceBuffer): Promise<void> {
    if (this.#committing) await this.#deps.serial.run(async () => {})
    // Also where that commit failed, or had no room for it: what it should have written is pending still.
    if (source.hasPending) await this.#waiters.wait(source)
  }

  /** The next commit looks at the source, whenever that is. */
  note(source: SourceBuffer): void {
    this.#wanted.add(source)
  }

  /** There is something to commit of the source, now or when its durability has passed. */
  want(source: SourceBuffer): void {
    this.note(source)
    // Of this one alone: the others have said when they are due, and looking at all of them for each would cost the square of their number.
    if (!this.#rests)
      this.#timer.at(this.#isDue(source) ? Number.NEGATIVE_INFINITY : this.#rowsOrFlushMs(this.#urgencyOf(source)))
  }

  /** Commits when something is due: what the link waits for at once, records by their durability, the keeping of books now and then. */
  kick(): void {
    if (!this.#rests && this.#wanted.size > 0) this.#timer.at(this.#dueMs(this.#wanted))
  }

  /** Nothing is begun now: what goes on looks at what is wanted when it ends. */
  get #rests(): boolean {
    return this.#committing || this.#closed || this.#stale
  }

  #dueMs(sources: Iterable<SourceBuffer>): number {
    if (this.#left.length > 0 || this.#due.length > 0) return Number.NEGATIVE_INFINITY
    for (const source of sources) if (this.#isDue(source)) return Number.NEGATIVE_INFINITY
    return this.#rowsOrFlushMs(this.#mostUrgentMs(sources))
  }

  #rowsOrFlushMs(urgencyMs: number): number {
    return Math.min(this.#lastCommitMs + ROWS_EVERY_MS, this.#flushDueMs(urgencyMs))
  }

  /**
   * When records that were taken have to be on disk: at once where none was written for a while, after the shortest `durability` of them otherwise, or
   * sooner where the budget of the disk affords it, or they fill half of the memory that they may have.
   * What the link makes the buffer write in between takes no half-filled blocks with it: they would be compressed badly, and once more when they
   * are merged.
   */
  #flushDueMs(urgencyMs: number): number {
    return this.#lastFlushMs + this.#deps.pace.waitMs(urgencyMs)
  }

  /** Whether something was written. */
  async #commit(): Promise<boolean> {
    if (this.#closed) return false
    let isNews = false
    this.#timer.cancel()
    this.#committing = true
    const due = this.#due
    const sources = [...new Set([...due, ...this.#left, ...this.#wanted])]
    this.#left = []
    this.#due = []
    this.#wanted = new Set()
    const waiting = this.#waiters.waiting(sources)
    try {
      if (this.#damage !== undefined) await this.#startAnew(this.#damage)
      else if (this.#stale) this.#deps.index.reload(await this.#deps.store.index())
      this.#stale = false
      await this.#deps.refill.load(sources, () => this.#disk.usedBytes + this.#deps.pending.bytes + emptyBytesOf(sources))
      const nowMs = this.#deps.clock.monotonicMs()
      const urgencyMs = this.#mostUrgentMs(sources)
      const isFlush = nowMs >= this.#flushDueMs(urgencyMs)
      this.#lastCommitMs = nowMs
      if (isFlush) this.#lastFlushMs = nowMs
      const hasRecords = isFlush && this.#flushes(urgencyMs)
      const plan = this.plan(sources).make(isFlush ? sources : due)
      const { left, stillDue } = plan
      plan.giveBackWithheld()
      isNews = await this.execute(plan)
      this.#left = left
      this.#due = stillDue
      // What was due and waited for room alone, or for a disk, does not wait for its durability once more.
      if ((plan.hasPostponed && isNews) || this.#isRetry) this.#lastFlushMs = Number.NEGATIVE_INFINITY
      if (hasRecords || plan.merges > 0) this.#merging.committed(plan.merges, this.#deps.clock.monotonicMs() - nowMs)
      for (const source of sources) if (!plan.unwritten.has(source)) waiting.written(source)
      const { open, heldBack } = plan
      if (this.#owed.written(sources, { isNews, isRetry: this.#isRetry, open, heldBack })) this.#deps.alarms.written()
      this.#isCramped = false
      this.#isRetry = false
    } catch (error) {
      this.failed(error, sources)
    }
    this.#committing = false
    for (const source of sources) if (source.hasPending || this.#hasMore(source)) this.#wanted.add(source)
    this.kick()
    return isNews
  }

  /** All that was taken goes to disk; false where nothing was. */
  #flushes(urgencyMs: number): boolean {
    if (urgencyMs === Number.POSITIVE_INFINITY) return false
    this.#deps.pace.committed()
    this.#merging.records(urgencyMs)
    return true
  }

  /** Whether the next commit is about this source at once: the link waits for it, or its device soon would. Its closed blocks are enough then. */
  #isDue(source: SourceBuffer): boolean {
    return (!source.hasOwnRoom && !source.waitsForRoom) || this.#hasMore(source)
  }

  /** Whether there is something to cut, or to bring into memory, for the link. */
  #hasMore(source: SourceBuffer): boolean {
    if (!this.#deps.onReady() || !source.assignment || source.frozen || this.#deps.watch.isAwaited) return false
    if (source.readyEnd < source.next && source.ready.length < this.#deps.refill.readyMax) return true
    return source.uncutBlocks > 0 && this.#mayCut(source)
  }

  /** Where nothing may be cut until the link takes something, looking again at once would go on for as long as the link waits. */
  #mayCut(source: SourceBuffer): boolean {
    const { limits, readyBytes } = this.#deps.index
    const untaken = untakenOf(source, limits.readyBatches)
    // What is not known has to be looked for, to know what may be cut of it.
    const isWhole = untaken > 0 && (this.#deps.index.isBlind(source) || nextMerge(source, 0, limits).isWhole)
    return hasAppetite(untaken, isWhole, readyBytes, limits)
  }

  /** As at a start with a damaged database: numbers go on at the marks, and what is lost is declared. The link finds the log behind and says so. */
  async #startAnew(why: string): Promise<void> {
    await this.#deps.store.renew(why)
    this.#damage = undefined
    this.#disk = this.#deps.store.opened.disk
    for (const source of this.#deps.index.startAnew(this.#deps.clock.wallMs())) {
      this.#wanted.add(source)
      this.#deps.alarms.lost(source)
    }
  }

  /** All of a plan, or nothing: rejects where the commit fails. False where there is nothing in it. */
  async execute(plan: Plan): Promise<boolean> {
    const isEmpty = ({ step }: Plan['steps'][number]) => step.kind === 'forget' && step.ids.length === 0
    const steps = plan.steps.filter(planned => !isEmpty(planned))
    const marks = this.#deps.reservations.reserve(plan.nextNumbers, this.#deps.index.sources.values())
    if (steps.length === 0 && marks === undefined) {
      for (const { done } of plan.steps) done({ kind: 'done' })
      return false
    }
    const { results, disk } = await this.#deps.store
      .commit({ steps: steps.map(({ step }) => step), clock: this.#deps.watch.atCut(), ...(marks !== undefined && { marks }) })
      .catch(error => {
        for (const { failed } of steps) failed?.()
        throw error
      })
    if (marks !== undefined) this.#deps.reservations.written()
    this.#disk = disk
    let at = 0
    for (const planned of plan.steps) planned.done((isEmpty(planned) ? undefined : results[at++]) ?? { kind: 'done' })
    for (const { source } of plan.ready) this.#deps.onReady()?.(source)
    return true
  }

  /** Writes the rows of sources, and their marks, at once. */
  async writeRows(sources: readonly SourceBuffer[]): Promise<void> {
    const { reservations, store } = this.#deps
    const stepsOf = (of: readonly SourceBuffer[] = []) => of.map(source => ({ kind: 'source', row: source.toRow() }) as const)
    const { known, unknown } = Object.groupBy(sources, source => (reservations.knows(source) ? 'known' : 'unknown'))
    // In the database first, the first time: a source that only the marks know passes for one whose database was lost.
    if (unknown) await store.commit({ steps: stepsOf(unknown) })
    await store.commit({ steps: stepsOf(known), marks: reservations.with(sources) })
    reservations.written()
  }

  /** Nothing is known of what the commit did: the index is made anew before the next one. */
  failed(error: unknown, sources: readonly SourceBuffer[]): void {
    this.#stale = true
    this.#isRetry = true
    this.#owed.failed()
    if (isDamaged(error)) this.#damage = messageOf(error)
    this.#isCramped = error instanceof HeadraceError && error.code === 'disk_full'
    this.#deps.alarms.unwritten(error)
    for (const source of sources) this.#wanted.add(source)
    this.#timer.at(this.#deps.clock.monotonicMs() + FULL_RETRY_MS)
  }

  /** The shortest time, ms, in which what some of these took has to be on disk; without end where none took anything. */
  #mostUrgentMs(sources: Iterable<SourceBuffer>): number {
    let shortestMs = Number.POSITIVE_INFINITY
    for (const source of sources) {
      shortestMs = Math.min(shortestMs, this.#urgencyOf(source))
      if (shortestMs === 0) break
    }
    return shortestMs
  }

  /** The same of one. What waits for room on the disk is not sooner there where memory becomes short. */
  #urgencyOf(source: SourceBuffer): number {
    const { durabilityMs } = source.settings
    if (!source.hasPending) return Number.POSITIVE_INFINITY
    if (source.waitsForRoom) return Math.max(ROOM_LOOK_EVERY_MS, durabilityMs)
    const { pending, index } = this.#deps
    return this.#isHurried || pending.bytes > index.limits.pendingBytes / 2 ? 0 : durabilityMs
  }
}
