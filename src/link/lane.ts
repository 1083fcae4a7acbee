import type { Outcome } from '../amqp/amqp.ts'
import { OPEN_ERROR, type OpenedSource } from '../amqp/messages.ts'
import type { Assignment, CutBatch, Freeze, Outlet } from '../buffer/buffer.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { assert, HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { InFlight } from './flight.ts'
import { LINK_LIMITS } from './limits.ts'
import { type Decision, decideOpening, epochAhead, type Told, toldOf } from './opening.ts'
import type { Turn } from './turns.ts'

/** How long a source that came back waits before it is sent again, ms: a partition that lost its leader has a new one within seconds. */
const RESEND_AFTER = { firstMs: 100, maxMs: 5_000 }
/** How long until a source that could not be opened is asked for again, ms. */
const ASK_AGAIN_AFTER = { firstMs: 1_000, maxMs: 30_000 }
/** Without a settlement for so long the source's end is asked for anew, ms. */
export const ASK_END_AFTER_MS = 10_000
/** A source that has nothing to send has its end asked for now and then all the same, ms: the log may lose what was settled long ago. */
export const ASK_IDLE_END_AFTER_MS = 600_000
/** Without a settlement for so long a person is told, ms. */
export const STUCK_ALARM_AFTER_MS = 60_000
/** Given back so often, a source that waits for its turn is not only held back. */
const IN_VAIN_MAX = 2

export type LaneState = 'closed' | 'open' | 'frozen'

export interface LaneDeps {
  readonly outlet: Outlet
  readonly flight: InFlight
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly alarms: Alarms
  /** Who takes a batch over when it is accepted: the log unless said otherwise, or a broker on the way to it. */
  readonly taker?: 'log' | 'broker'
  /** That of {@link LINK_LIMITS}, unless set. */
  readonly upToDateRecords?: number | undefined
}

/** One source as the core told it. */
export interface OpenedLane {
  readonly entry: OpenedSource
  /** Identity of the log in the reply. */
  readonly log: string
  /** A new epoch was asked for, so that whatever the core says is adopted. */
  readonly resumed: boolean
}

/**
 * One source in the link: its buffer's outlet, and what of it is in flight.
 *
 *   CLOSED ──opened──► OPEN ──session over──► CLOSED
 *     │ ▲               │ rejected
 *     │ └──resumed───┐  ▼
 *     └──decided──► FROZEN (on disk; only `headrace source resume` leads out)
 *
 * Only in OPEN is anything of it sent.
 */
export class Lane implements Turn {
  turns: object | undefined
  readonly outlet: Outlet
  readonly #flight: InFlight
  readonly #clock: Clock
  readonly #log: Logger
  readonly #alarms: Alarms
  readonly #taker: 'log' | 'broker'
  readonly #upToDateRecords: number
  readonly #resendBackoff: Backoff
  readonly #askBackoff: Backoff
  #state: LaneState
  #reason: string | undefined
  #resendAtMs = 0
  #progressAtMs: number
  /** How often it was sent and given back since the session began, or since its last settlement. */
  #inVain = 0
  #askAtMs = 0
  #askIdleAtMs: number
  #settledWhenAsked = 0

  constructor(deps: LaneDeps) {
    this.outlet = deps.outlet
    this.#flight = deps.flight
    this.#clock = deps.clock
    this.#log = deps.log.child({ source: deps.outlet.source })
    this.#alarms = deps.alarms
    this.#taker = deps.taker ?? 'log'
    this.#upToDateRecords = deps.upToDateRecords ?? LINK_LIMITS.upToDateRecords
    this.#resendBackoff = new Backoff(RESEND_AFTER, deps.random)
    this.#askBackoff = new Backoff(ASK_AGAIN_AFTER, deps.random)
    this.#progressAtMs = this.#clock.monotonicMs()
    this.#askIdleAtMs = this.#progressAtMs + ASK_IDLE_END_AFTER_MS
    this.#state = deps.outlet.frozen ? 'frozen' : 'closed'
    if (deps.outlet.frozen) this.#raiseFrozen(deps.outlet.frozen)
  }

  get source(): string {
    return this.outlet.source
  }

  get priority(): number {
    return this.outlet.priority ?? 0
  }

  get state(): LaneState {
    return this.#state
  }

  /** Why it is not open; undefined where there is nothing to say. */
  get reason(): string | undefined {
    return this.outlet.frozen?.message ?? this.#reason
  }

  /** Batches on their way. */
  get inFlight(): number {
    return this.#flight.sent
  }

  /** Whether something of it waits for the log and may be sent. */
  get pending(): boolean {
    return this.#state === 'open' && (this.#flight.size > 0 || this.outlet.position < this.outlet.next)
  }

  /** Whether all that this gateway had of it is settled. */
  get isDrained(): boolean {
    return this.#flight.size === 0 && this.outlet.settled === this.outlet.next && this.outlet.recordsBuffered === 0
  }

  /** Whether what waits of it is what has just come, and no backlog. */
  get upToDate(): boolean {
    const { outlet } = this
    return outlet.recordsBuffered - (outlet.position - outlet.settled) <= this.#upToDateRecords
  }

  /**
   * Whether more of it waits than may be on its way at once. Not where its batches come back, or nothing is heard of them: that may last, and nobody
   * else waits for it.
   */
  get waitsForOutcomes(): boolean {
    const { outlet } = this
    if (this.#state !== 'open' || this.#flight.holds || this.resendInMs > 0 || this.#flight.size < this.#window()) return false
    if (this.#clock.monotonicMs() - this.#progressAtMs >= ASK_END_AFTER_MS) return false
    return outlet.recordsBuffered > outlet.position - outlet.settled
  }

  /** How long until its next batch may be sent again, ms; 0 where nothing keeps it back. */
  get resendInMs(): number {
    return Math.max(0, this.#resendAtMs - this.#clock.monotonicMs())
  }

  /**
   * The batch to send next; it stays next until {@link sent} is called. `isLate`: what is sent waits at the other end. There a source has its batches stored one
   * after another; five that wait take five times as long as one that meanwhile grew, so what is up to date keeps one on its way then.
   */
  nextToSend(isLate = false): CutBatch | undefined {
    if (this.#state !== 'open' || this.#flight.holds || this.resendInMs > 0) return undefined
    const waiting = this.#flight.waiting()
    if (waiting) return waiting
    if (this.#flight.size >= (isLate && this.upToDate ? 1 : this.#window())) return undefined
    const batch = this.outlet.take()
    if (!batch) return undefined
    assert(this.#flight.size > 0 || batch.sequence === this.outlet.settled, 'what is in flight begins where what is settled ends')
    this.#flight.add(batch)
    return batch
  }

  sent(batch: CutBatch): void {
    this.#flight.markSent(batch)
  }

  /** Whether it is settled with that, and not needed any more: one that waits for others before it is sent again where the session ends. */
  accepted(batch: CutBatch): boolean {
    if (!this.#flight.awaits(batch)) return false
    const settled = this.#flight.markAccepted(batch)
    this.#progressed()
    if (settled !== undefined) this.outlet.settle(settled)
    return settled !== undefined
  }

  /** Released, modified or lost: goes again after a while, once all of this source that is on its way is back. */
  returned(batch: CutBatch, outcome: Outcome): void {
    if (!this.#flight.awaits(batch)) return
    this.#flight.markReturned(batch)
    if (outcome !== 'lost' && this.resendInMs === 0) this.#inVain += 1
    this.#resendAtMs = this.#clock.monotonicMs() + this.#resendBackoff.nextMs()
  }

  /** The core will never take this batch. */
  async rejected(batch: CutBatch, why: Freeze): Promise<void> {
    if (this.#flight.awaits(batch)) await this.#freeze(why)
  }

  /** The session is over: everything on its way is taken back. */
  close(): void {
    this.#flight.takeBack()
    this.#resendAtMs = 0
    if (this.#state === 'open') this.#become('closed', undefined)
  }

  /** Goes on with what was told at an earlier opening, where there was one: what a broker takes needs no core. */
  openAsKnown(): void {
    if (this.#state === 'closed' && this.outlet.assignment) this.#become('open', undefined)
  }

  /** A frozen source may have been resumed in a time that its database has lost: then what lay there when it was opened may be in the log. */
  async #seeFrozen(told: Told): Promise<void> {
    const { assignment: held, frozen } = this.outlet
    const why = held && held.log === told.assignment.log && frozen?.code !== 'epoch_ahead' ? epochAhead(held, told) : undefined
    if (why) await this.#freeze(why)
  }

  /** The core says, through a broker, that nothing of this epoch passes any more. */
  async freezeAsTold(epoch: number, why: Freeze): Promise<void> {
    if (this.#state !== 'frozen' && (this.outlet.assignment?.epoch ?? 0) <= epoch) await this.#freeze(why)
  }

  /** Takes in what the core said of this source at the opening. */
  async open(opened: OpenedLane): Promise<void> {
    const { entry } = opened
    if (this.#state === 'frozen' && 'error' in entry) return
    if ('error' in entry) return this.#refused(entry.error)
    const told = toldOf(entry, opened.log)
    if (this.#state === 'frozen' && !opened.resumed) return this.#seeFrozen(told)
    if (opened.resumed) {
      this.#flight.clear()
      await this.outlet.resume(told.assignment, told.end)
      this.#alarms.clear('source_frozen', this.source)
      this.#log.info({ epoch: told.assignment.epoch, from: told.end }, 'goes on under a new epoch')
    } else {
      await this.#apply(await this.#decide(told), told.assignment)
      if (this.#state === 'frozen') return
      await this.#keepLimit(told.assignment)
    }
    this.#become('open', undefined)
    this.#alarms.clear('source_refused', this.source)
    this.#askBackoff.reset()
    this.#inVain = 0
    this.#progressAtMs = this.#clock.monotonicMs()
    this.#askIdleAtMs = this.#progressAtMs + ASK_IDLE_END_AFTER_MS
  }

  /**
   * Takes in an answer about the end within a standing session. Only what the log has more is taken in; false where anything else was said,
   * which needs an opening.
   */
  async hear(opened: OpenedLane, stillStands: () => boolean): Promise<boolean> {
    const { entry } = opened
    if (this.#state === 'frozen') return true
    if ('error' in entry) {
      await this.#refused(entry.error)
      return true
    }
    const told = toldOf(entry, opened.log)
    if (told.end < this.#settledWhenAsked) return false
    const decision = await this.#decide(told)
    // More may have been settled since it was asked: then the answer is old, and says nothing.
    if (!stillStands() || told.end < this.outlet.settled) return true
    if (decision.kind !== 'settle' || this.#state !== 'open') return false
    this.#settleTo(decision.end)
    await this.#keepLimit(told.assignment)
    return true
  }

  /**
   * Whether the source's end should be asked for now; asking counts as done. Raises and clears the alarm of a source that does not move. `mayBeHeld`: a
   * quota or a budget may keep it waiting for its turn, for as long as others have theirs.
   */
  watch(mayBeHeld: boolean): boolean {
    const now = this.#clock.monotonicMs()
    if (this.#state === 'frozen') return false
    if (this.#state === 'closed') {
      const closedMs = now - this.#progressAtMs
      if (closedMs >= STUCK_ALARM_AFTER_MS && this.outlet.recordsBuffered > 0) this.#raiseStuck(closedMs)
      return now >= this.#askAtMs && this.#asks(now, this.#askBackoff.nextMs())
    }
    if (!this.pending) {
      this.#progressed()
      return now >= this.#askIdleAtMs && now >= this.#askAtMs && this.#asks(now, 0)
    }
    if (mayBeHeld && this.inFlight === 0 && this.#inVain < IN_VAIN_MAX) this.#progressAtMs = now
    const stuckMs = now - this.#progressAtMs
    if (stuckMs >= STUCK_ALARM_AFTER_MS) this.#raiseStuck(stuckMs)
    return stuckMs >= ASK_END_AFTER_MS && now >= this.#askAtMs && this.#asks(now, ASK_END_AFTER_MS)
  }

  /** Its end is asked for now, and again in so many ms at the earliest. */
  #asks(now: number, nextInMs: number): true {
    this.#askAtMs = now + nextInMs
    this.#askIdleAtMs = now + ASK_IDLE_END_AFTER_MS
    this.#settledWhenAsked = this.outlet.settled
    return true
  }

  /** The first batch of an epoch goes alone: until its answer is there nobody knows that the epoch really begins where it was said to. */
  #window(): number {
    const epochStart = this.outlet.assignment?.epochStart ?? 0
    return this.outlet.settled > epochStart ? this.#flight.max : 1
  }

  async #decide(told: Told): Promise<Decision> {
    const own = told.end > 0 ? await this.outlet.batchBefore(told.end) : undefined
    const decision = decideOpening(this.outlet, told, own)
    // What the log lacks may lie in the broker: the core asks for what it misses.
    if (decision.kind === 'rewind' && this.#taker === 'broker') return { kind: 'settle', end: this.outlet.settled }
    return decision
  }

  async #apply(decision: Decision, assignment: Assignment): Promise<void> {
    switch (decision.kind) {
      case 'settle':
        return this.#settleTo(decision.end)
      case 'assign':
        await this.outlet.assign(assignment)
        if (decision.fillTo > decision.end) await this.outlet.fill(decision.end, decision.fillTo)
        return
      case 'rewind':
        this.#log.warn({ settled: this.outlet.settled, end: decision.end }, 'the log lost what it had: sends it again')
        return this.#rewind(decision.end)
      case 'refill':
        this.#log.warn({ end: decision.end }, 'the log has what the lost database sent: goes on behind it')
        return this.#rewind(decision.end)
      case 'freeze':
        return this.#freeze(decision.why)
    }
  }

  /** How large a batch may be can change at any time; what is cut already stays as it is. */
  async #keepLimit({ batchBytesMax }: Assignment): Promise<void> {
    const held = this.outlet.assignment
    if (!held || batchBytesMax === undefined || held.batchBytesMax === batchBytesMax) return
    await this.outlet.assign({ ...held, batchBytesMax })
  }

  async #rewind(end: number): Promise<void> {
    this.#flight.clear()
    try {
      await this.outlet.rewind(end)
    } catch (cause) {
      // A disk that fails is no reason to freeze: it is tried again with the next opening.
      if (!(cause instanceof HeadraceError) || cause.code !== 'not_found') throw cause
      const advice = 'Look who else writes to this partition; then `headrace source resume` goes on at its end under a new epoch.'
      await this.#freeze({ code: 'log_differs', message: `It cannot be sent again from ${end} on: ${messageOf(cause)}`, advice })
    }
  }

  #settleTo(end: number): void {
    const whole = this.#flight.dropBelow(end)
    assert(whole, 'the log ends where a batch ends')
    if (end > this.outlet.settled) {
      this.outlet.settle(end)
      this.#progressed()
    }
  }

  #progressed(): void {
    this.#progressAtMs = this.#clock.monotonicMs()
    this.#inVain = 0
    this.#resendBackoff.reset()
    this.#resendAtMs = 0
    this.#alarms.clear('source_stuck', this.source)
  }

  async #refused(error: { code: string; message: string; advice: string }): Promise<void> {
    if (error.code === OPEN_ERROR.frozen) return this.#freeze(error)
    this.#become('closed', error.message)
    if (error.code === OPEN_ERROR.unavailable) return
    const advice = `${error.advice} The core is asked again by itself, every half a minute.`
    this.#alarms.raise('source_refused', { source: this.source, message: error.message, advice })
  }

  async #freeze(why: Freeze): Promise<void> {
    this.#flight.clear()
    this.#become('frozen', why.message)
    this.#raiseFrozen(why)
    await this.outlet.freeze(why)
  }

  #raiseFrozen(why: Freeze): void {
    this.#alarms.raise('source_frozen', { source: this.source, message: `${why.code}: ${why.message}`, advice: why.advice })
  }

  #raiseStuck(stuckMs: number): void {
    this.#alarms.raise('source_stuck', {
      source: this.source,
      message: `Nothing of this source was settled for ${Math.round(stuckMs / 1000)} s, though it has something to send.`,
      advice: 'Look at the core: its log may be without a leader for this partition, or refuse its batches.',
    })
  }

  #become(state: LaneState, reason: string | undefined): void {
    if (state !== this.#state) this.#log.debug({ from: this.#state, to: state, reason }, 'source state')
    this.#state = state
    this.#reason = reason
  }
}
