import type { Outcome, PeerError, Sender } from '../amqp/amqp.ts'
import { PROPERTY } from '../amqp/messages.ts'
import type { CutBatch, Freeze } from '../buffer/buffer.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Budget } from './budget.ts'
import type { Lane } from './lane.ts'
import { LINK_LIMITS, type LinkLimits } from './limits.ts'
import { OnItsWay } from './on-its-way.ts'
import { Turns } from './turns.ts'

export interface DataSessionDeps {
  readonly gateway: string
  readonly session: number
  readonly sender: Sender
  readonly clock: Clock
  /** For a link that costs money; what is more important goes first there. */
  readonly budget?: Budget | undefined
  /** Something was accepted. */
  readonly onProgress: () => void
  /** What a `rejected` batch comes to, `freezes` unless said otherwise: the core's word is the last one, a broker's may be about its own room. */
  readonly rejected?: 'freezes' | 'comes back'
  /** The buffer could not keep what became of a batch. */
  readonly onFailure: (cause: unknown) => void
  /** {@link LINK_LIMITS}, unless set. */
  readonly limits?: LinkLimits | undefined
}

/** No more often one goes past those that keep the others waiting, ms. */
const PROBE_AT_LEAST_EVERY_MS = 100

/**
 * The sending half of one session: shares the connection out over the sources, one batch of each in turn, keeps no more on its way than keeps the way
 * busy, and hands outcomes to the lane they belong to. After {@link end} it is deaf: what the old session still says is about deliveries that were taken back.
 */
export class DataSession {
  readonly #deps: DataSessionDeps
  readonly #limits: LinkLimits
  /** Lanes that may have something to send. */
  readonly #turns = new Turns<Lane>()
  readonly #way: OnItsWay
  /** Lanes that wait for their time to be sent again. */
  readonly #resting = new Set<Lane>()
  /** Lanes that had no more to send when it was their turn, perhaps only because enough of them was on its way. */
  readonly #passed = new Set<Lane>()
  #state: 'sending' | 'draining' | 'ended' = 'sending'
  #pumping = false
  #drained: (() => void) | undefined
  #probing: Timer | undefined

  constructor(deps: DataSessionDeps) {
    this.#deps = deps
    this.#limits = deps.limits ?? LINK_LIMITS
    this.#way = new OnItsWay(deps.clock, this.#limits)
    deps.sender.onRoom(() => this.#pump())
  }

  get batchesInFlight(): number {
    return this.#way.batches
  }

  get ended(): boolean {
    return this.#state === 'ended'
  }

  /** No credit, though nothing is on its way that could bring some. */
  get starved(): boolean {
    return this.#way.batches === 0 && this.#deps.sender.room <= 0
  }

  /** What was kept back for the budget may be allowed by now. */
  look(): void {
    this.#pump()
  }

  /** The lane may have something to send. */
  wake(lane: Lane): void {
    this.wakeAll([lane])
  }

  /** Any of these may have something to send; none of them goes before it is known which is the most important. */
  wakeAll(lanes: Iterable<Lane>): void {
    if (this.#state !== 'sending') return
    for (const lane of lanes) if (!this.#turns.has(lane)) this.#turns.add(lane, lane.upToDate ? 'fresh' : 'backlog')
    this.#pump()
  }

  /** Sends nothing more; resolves when it is known what became of all that is on its way. */
  drain(): Promise<void> {
    if (this.#state === 'sending') this.#state = 'draining'
    if (this.#way.batches === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#drained = resolve
    })
  }

  end(): void {
    this.#state = 'ended'
    this.#probing?.cancel()
    this.#turns.clear()
    this.#deps.sender.close()
  }

  #pump(): void {
    // A sender may report room, or an outcome, from within send().
    if (this.#pumping || this.#state !== 'sending') return
    this.#pumping = true
    while (this.#mayBegin() && this.#way.hasRoom) {
      const lane = this.#nextLane()
      if (!lane) break
      this.#sendOf(lane)
    }
    this.#pumping = false
    if (!this.#way.hasRoom) this.#probeLater()
  }

  /** One batch, where there is one to be sent now. */
  #sendOf(lane: Lane): boolean {
    const batch = lane.nextToSend(this.#way.isLate)
    if (batch) {
      this.#turns.add(lane, 'backlog')
      this.#send(lane, batch)
      return true
    }
    if (this.#deps.budget?.countsBytes) this.#passed.add(lane)
    this.#wakeLater(lane)
    return false
  }

  /** Batches that wait at the other end for something of their own are found out by one that overtakes them. */
  #probeLater(): void {
    const inMs = this.#way.probeInMs
    if (inMs === undefined || this.#probing) return
    const probe = () => {
      this.#probing = undefined
      if (this.#state !== 'sending' || this.#pumping) return
      this.#pumping = true
      if (this.#way.probeInMs === 0 && this.#mayBegin()) this.#sendOfIdle()
      this.#pumping = false
      this.#pump()
    }
    this.#probing = this.#deps.clock.after(Math.max(inMs, PROBE_AT_LEAST_EVERY_MS), probe, 'background')
  }

  /** One batch of a lane that has nothing on its way: what others have there may be what keeps them. */
  #sendOfIdle(): void {
    const busy: Lane[] = []
    for (let lane = this.#nextLane(); lane; lane = this.#nextLane()) {
      if (lane.inFlight > 0) busy.push(lane)
      else if (this.#sendOf(lane)) break
    }
    for (const lane of busy) this.#turns.add(lane, 'backlog')
  }

  /** Under a budget the most important, and of those that may be sent now. */
  #nextLane(): Lane | undefined {
    const { budget } = this.#deps
    return budget ? this.#turns.mostImportant(Math.max(budget.floor, this.#awaited())) : this.#turns.next()
  }

  /** Of what is more important more is to come, once outcomes are there: what goes meanwhile of the rest is missing for it at the end of the day. */
  #awaited(): number {
    let priority = Number.NEGATIVE_INFINITY
    for (const lane of this.#passed) {
      if (lane.waitsForOutcomes) priority = Math.max(priority, lane.priority)
      else this.#passed.delete(lane)
    }
    return priority
  }

  /** Whether the session takes one more at all. */
  #mayBegin(): boolean {
    return this.#deps.sender.room > 0 && this.#way.batches < this.#limits.batchesInFlight
  }

  #wakeLater(lane: Lane): void {
    const inMs = lane.resendInMs
    if (inMs <= 0 || this.#resting.has(lane)) return
    this.#resting.add(lane)
    const wake = () => {
      this.#resting.delete(lane)
      this.wake(lane)
    }
    this.#deps.clock.after(inMs, wake, 'background')
  }

  #send(lane: Lane, batch: CutBatch): void {
    const { gateway, session, sender } = this.#deps
    lane.sent(batch)
    this.#deps.budget?.spend(batch.bytes.length)
    const properties = {
      [PROPERTY.gateway]: gateway,
      [PROPERTY.session]: session,
      [PROPERTY.source]: batch.source,
      [PROPERTY.sequence]: batch.sequence,
      [PROPERTY.count]: batch.count,
    }
    const departure = this.#way.sent(batch.bytes.length)
    sender.send({ body: batch.bytes, properties, durable: true }, (outcome, error) => {
      this.#way.settled(departure)
      this.#settled(lane, batch, outcome, error)
    })
  }

  #settled(lane: Lane, batch: CutBatch, outcome: Outcome, error: PeerError | undefined): void {
    if (this.#state === 'ended') return
    if (outcome === 'accepted') {
      if (lane.accepted(batch)) this.#deps.sender.letGo(batch.bytes)
      this.#deps.onProgress()
    } else if (outcome === 'rejected' && this.#deps.rejected !== 'comes back') {
      lane.rejected(batch, freezeOf(error)).catch(this.#deps.onFailure)
    } else {
      lane.returned(batch, outcome)
    }
    if (this.#way.batches === 0) this.#drained?.()
    this.wake(lane)
  }
}

function freezeOf(error: PeerError | undefined): Freeze {
  return {
    code: error?.condition ?? 'rejected',
    message: error?.description ?? 'The core rejected a batch of this source without a reason.',
    advice:
      'Put right what the message names; then `headrace source resume <gateway>/<source>`, which says as a gap what cannot be sent.',
  }
}
