import { type ControlMessage, NOT_KEPT, OPEN_ERROR, PROPERTY, PROTOCOL_VERSION } from '../amqp/messages.ts'
import type { Claim, Log } from '../log/log.ts'
import { readBatchHeader } from '../record/batch-header.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { checkIncomingBatch } from '../record/check-batch.ts'
import { encodePlaceholder, PLACEHOLDER_RECORDS_MAX } from '../record/placeholder.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { type SourceId, sourceKey } from '../runtime/names.ts'
import { AtHand, type Item, type StoredDelivery } from './at-hand.ts'
import type { Arrival } from './gate.ts'
import type { Gates } from './gates.ts'
import { isIntact } from './intact.ts'
import { MissingNumbers, type Range } from './missing-numbers.ts'
import { OldItems } from './old-items.ts'
import type { Parking } from './parking.ts'

/** Batches of one source that are at its gate at once. */
const OFFERED_MAX = 16
/** After a refusal, until the end of the partition is looked at again, ms. */
const LOOK_AGAIN_AFTER = { firstMs: 50, maxMs: 5_000 }
/** A source that stands for so long while others go on gets out of their way, ms. */
const STUCK_AFTER_MS = 5_000
/** Others went on for so long after it, ms. */
const OTHERS_WENT_ON_FOR_MS = 1_000
/** How often a frozen source's gateway is told, ms. */
const TELL_FROZEN_EVERY_MS = 10_000
/** What cannot be judged or kept now is tried again after so long, ms. */
const TRY_AGAIN_AFTER_MS = 2_000

export interface StoredLaneDeps {
  readonly source: SourceId
  readonly log: Log
  readonly gates: Gates
  readonly parking: Parking
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** Asks something of the gateway; may be lost. */
  readonly tell: (message: ControlMessage) => void
  /** Whether numbers that have been missing for so long, and that the gateway has no more, may be given up. */
  readonly mayFill: (missingForMs: number) => boolean
  /** When any source of this core went on last, ms. */
  readonly progress: { atMs: number }
  readonly signal: AbortSignal
}

/**
 * One source behind a broker. What comes is the broker's no more once it is accepted, and is never rejected or released: this lane holds it until it is
 * in the log.
 *
 *   message ─checked─► AT HAND ──first = next──► at the gate ──in the log──► accepted
 *                        │  ▲                        └── not now: looked at again, after a while
 *                        │  └── the missing numbers came
 *                        └──numbers before it are missing: PARKED (on disk, then accepted), and the gateway is asked for them
 *   FROZEN: all that comes is parked, until a batch of a higher epoch comes; then what is parked of the lower one is set aside.
 */
export class StoredLane {
  readonly #deps: StoredLaneDeps
  readonly #key: string
  readonly #unchecked: StoredDelivery[] = []
  readonly #items = new AtHand()
  readonly #oldItems: OldItems
  readonly #lookBackoff: Backoff
  readonly #writer = new BatchWriter()
  #claim: Claim | undefined
  #checking = false
  #pumping = false
  #pumpAgain = false
  #looking = false
  /** The next number of the partition, as far as it is known. */
  #next: number | undefined
  #progressAtMs: number
  #missing: MissingNumbers | undefined
  #frozen: { readonly epoch: number; readonly error: { code: string; message: string; advice: string } } | undefined
  #tellFrozenAtMs = 0
  #later: Promise<void> | undefined

  constructor(deps: StoredLaneDeps) {
    this.#deps = deps
    this.#key = sourceKey(deps.source)
    this.#lookBackoff = new Backoff(LOOK_AGAIN_AFTER, deps.random)
    this.#progressAtMs = deps.clock.monotonicMs()
    const bytesOf = (item: Item) => this.#bytesOf(item)
    this.#oldItems = new OldItems({ ...deps, items: this.#items, bytesOf, settled: item => this.#settled(item) })
  }

  /** What lay parked when the core started. */
  restore(items: readonly Item[]): void {
    for (const item of items) this.#items.add(item)
    void this.#check()
  }

  take(delivery: StoredDelivery): void {
    this.#unchecked.push(delivery)
    if (!this.#checking) void this.#check()
  }

  // ── what comes ──

  async #check(): Promise<void> {
    this.#checking = true
    while (!this.#deps.signal.aborted) {
      try {
        if (!this.#claim) this.#renewed(await this.#readClaim())
        const delivery = this.#unchecked[0]
        if (!delivery) break
        if (!delivery.alive || !this.#claim || (await this.#judge(delivery, this.#claim))) this.#unchecked.shift()
        else await this.#wait(TRY_AGAIN_AFTER_MS)
      } catch (cause) {
        this.#deps.logger.debug({ reason: messageOf(cause) }, 'what came cannot be judged now')
        await this.#wait(TRY_AGAIN_AFTER_MS)
      }
    }
    this.#checking = false
    this.#pump()
  }

  async #readClaim(): Promise<Claim> {
    const { log, source, alarms } = this.#deps
    const claim = await log.claimOf(source)
    if (!claim) {
      alarms.raise('source_unknown', {
        source: this.#key,
        message: `The broker has batches of ${this.#key}, of which this log knows nothing.`,
        advice: 'Look whether the core stands before the right log. The batches wait in the broker.',
      })
      throw new Error('there is no claim')
    }
    alarms.clear('source_unknown', this.#key)
    return claim
  }

  /** False where it cannot be dealt with now. */
  async #judge(delivery: StoredDelivery, claim: Claim): Promise<boolean> {
    const { properties, bytes } = delivery
    const sequence = Number(properties[PROPERTY.sequence])
    const count = Number(properties[PROPERTY.count])
    if (properties[PROPERTY.kind] === NOT_KEPT) {
      this.#missing?.gone({ from: sequence, to: sequence + count })
      delivery.accept()
      return true
    }
    const { producerId, epoch, epochStart } = claim
    const checked = checkIncomingBatch(bytes, { sequence, count, producerId, epoch, epochStart })
    if (checked.ok) {
      this.#arrived({ sequence, count, epoch, crc: checked.header.crc, held: delivery, state: 'waiting' })
      return true
    }
    if (checked.reason === 'not_this_producer' && readBatchHeader(bytes).producerEpoch > epoch) {
      const renewed = await this.#readClaim()
      if (renewed.epoch > epoch) {
        this.#renewed(renewed)
        return this.#judge(delivery, renewed)
      }
    }
    if (!this.#deps.parking.setAside({ ...this.#deps.source, sequence, bytes, why: checked.detail })) return false
    delivery.accept()
    return true
  }

  #arrived(item: Item): void {
    if (this.#items.isKept(item)) item.held?.accept()
    else this.#items.add(item)
    // What comes in one read is checked in one go; the pump runs where it is over.
    if (this.#unchecked.length <= 1) this.#pump()
  }

  /** The source goes on under a new epoch: what is here of the old one has numbers that are somebody else's now. */
  #renewed(claim: Claim): void {
    this.#claim = claim
    this.#next = undefined
    this.#frozen = undefined
    this.#missing?.clear()
    this.#deps.alarms.clear('source_frozen', this.#key)
    this.#oldItems.setAside(claim.epoch)
  }

  // ── what goes on ──

  #pump(): void {
    if (this.#pumping) {
      this.#pumpAgain = true
      return
    }
    this.#pumping = true
    do {
      this.#pumpAgain = false
      if (!this.#deps.signal.aborted && this.#claim) this.#pass(this.#claim)
    } while (this.#pumpAgain)
    this.#pumping = false
  }

  #pass(claim: Claim): void {
    this.#items.dropDead()
    if (this.#frozen) {
      this.#park(this.#items.held(0))
      this.#tellFrozen(this.#frozen)
      return
    }
    let expected = this.#next
    let offered = 0
    for (const item of this.#items.first(OFFERED_MAX, claim.epoch)) {
      if (item.state === 'waiting') {
        if (expected !== undefined && item.sequence > expected) {
          if (offered > 0) return
          this.#park(this.#items.held(0))
          this.#missingFrom(claim).found({ from: expected, to: item.sequence })
          return
        }
        this.#offer(item, claim)
        // It may be settled already, and then all is looked at anew.
        if (this.#pumpAgain) return
      }
      offered += 1
      expected = Math.max(expected ?? 0, item.sequence + item.count)
    }
  }

  #offer(item: Item, claim: Claim): void {
    const bytes = this.#bytesOf(item)
    const lane = this
    item.state = 'offered'
    const arrival: Arrival = {
      batch: { sequence: item.sequence, count: item.count, bytes },
      crc: item.crc,
      producerId: claim.producerId,
      epoch: item.epoch,
      epochStart: claim.epochStart,
      get alive() {
        return !lane.#deps.signal.aborted && item.held?.alive !== false
      },
      intact: () => isIntact(bytes),
      accept: () => this.#stored(item),
      release: () => this.#returned(item),
      reject: error => this.#freeze(item, error.description),
      drop: () => this.#returned(item),
    }
    this.#deps.gates.of(claim).offer(arrival)
  }

  #stored(item: Item): void {
    const { clock, progress } = this.#deps
    this.#settled(item)
    this.#next = Math.max(this.#next ?? 0, item.sequence + item.count)
    this.#progressAtMs = clock.monotonicMs()
    progress.atMs = this.#progressAtMs
    this.#lookBackoff.reset()
    this.#missing?.reached(this.#next)
    this.#pump()
  }

  /** In the log, or set aside: nobody has to keep it any more. */
  #settled(item: Item): void {
    this.#items.remove(item)
    if (item.held) item.held.accept()
    if (item.parkedAs !== undefined) this.#deps.parking.remove(item.parkedAs)
  }

  #returned(item: Item): void {
    item.state = 'waiting'
    if (this.#isOld(item)) return
    if (!this.#looking) void this.#look()
  }

  /** The source was resumed while it lay at the gate: what the gate says of it says nothing of the source. */
  #isOld({ epoch }: Item): boolean {
    if (!this.#claim || epoch >= this.#claim.epoch) return false
    this.#oldItems.setAside(this.#claim.epoch)
    return true
  }

  /** Where the partition ends is looked at until it can be seen; then all goes on from there. */
  async #look(): Promise<void> {
    this.#looking = true
    for (;;) {
      await this.#wait(this.#lookBackoff.nextMs())
      if (this.#deps.signal.aborted) return
      if ((await this.#readEnd()) !== undefined) break
      this.#getOutOfTheWay()
    }
    this.#looking = false
    this.#getOutOfTheWay()
    this.#pump()
  }

  /** Undefined where it cannot be read now. */
  async #readEnd(): Promise<number | undefined> {
    if (!this.#claim) return undefined
    try {
      this.#next = (await this.#deps.log.end(this.#claim)).next
      return this.#next
    } catch (cause) {
      this.#deps.logger.debug({ reason: messageOf(cause) }, 'the end cannot be read now')
      return undefined
    }
  }

  /** Others of the same queue go on: what is held of this source is parked, so that they are not kept waiting behind it. */
  #getOutOfTheWay(): void {
    const { clock, progress } = this.#deps
    const isStuck = clock.monotonicMs() - this.#progressAtMs > STUCK_AFTER_MS
    if (isStuck && progress.atMs > this.#progressAtMs + OTHERS_WENT_ON_FOR_MS) this.#park(this.#items.held(OFFERED_MAX))
  }

  // ── what is missing ──

  #missingFrom(claim: Claim): MissingNumbers {
    this.#missing ??= new MissingNumbers({
      ...this.#deps,
      source: this.#key,
      readEnd: () => this.#readEnd(),
      ask: ({ from, to }) =>
        this.#deps.tell({
          version: PROTOCOL_VERSION,
          ask: 'again',
          source: this.#deps.source.source,
          epoch: this.#claim?.epoch ?? claim.epoch,
          from,
          to,
        }),
      fill: range => this.#fill(range),
      changed: () => this.#pump(),
    })
    return this.#missing
  }

  #fill({ from, to }: Range): void {
    const claim = this.#claim
    if (!claim) return
    const count = Math.min(PLACEHOLDER_RECORDS_MAX, to - from)
    const timeMs = this.#deps.clock.wallMs()
    const at = new Date(timeMs).toISOString()
    const { producerId, epoch, epochStart } = claim
    const identity = { key: this.#key, producerId, epoch, epochStart, sequence: from }
    const gap = { records: count, from: at, to: at, reason: 'core_lost' } as const
    const { bytes } = encodePlaceholder(this.#writer, identity, { count, timeMs, gap })
    this.#deps.logger.error({ from, count }, 'numbers that nobody has any more are filled with a placeholder')
    this.#items.add({ sequence: from, count, epoch, crc: readBatchHeader(bytes).crc, made: bytes, state: 'waiting' })
  }

  // ── parking and freezing ──

  /** On disk first, then the broker may forget it. Where there is no room it is held, and the queue waits. */
  #park(items: readonly Item[]): void {
    if (items.length === 0) return
    const batches = items.map(item => {
      const { sequence, count, epoch, crc } = item
      return { ...this.#deps.source, sequence, count, epoch, crc, bytes: this.#bytesOf(item) }
    })
    const ids = this.#deps.parking.put(batches)
    if (!ids) {
      this.#pumpLater()
      return
    }
    for (const [index, item] of items.entries()) {
      const { held } = item
      item.parkedAs = ids[index]
      item.held = undefined
      held?.accept()
    }
  }

  /** Others have what there is room for, and nothing of this source happens when they give it back. */
  #pumpLater(): void {
    this.#later ??= this.#wait(TRY_AGAIN_AFTER_MS).then(() => {
      this.#later = undefined
      this.#pump()
    })
  }

  #bytesOf(item: Item): Buffer {
    if (item.held) return item.held.bytes
    return item.made ?? this.#deps.parking.read(item.parkedAs as number)
  }

  #freeze(item: Item, message: string): void {
    item.state = 'waiting'
    if (this.#isOld(item)) return
    const advice = 'Find out who else writes to this partition; then run `headrace source resume` on its gateway.'
    this.#frozen = { epoch: item.epoch, error: { code: OPEN_ERROR.frozen, message, advice } }
    this.#tellFrozenAtMs = 0
    this.#pump()
  }

  #tellFrozen({ epoch, error }: { epoch: number; error: { code: string; message: string; advice: string } }): void {
    const { clock, source, tell } = this.#deps
    if (clock.monotonicMs() < this.#tellFrozenAtMs) return
    this.#tellFrozenAtMs = clock.monotonicMs() + TELL_FROZEN_EVERY_MS
    tell({ version: PROTOCOL_VERSION, ask: 'freeze', source: source.source, epoch, error })
  }

  async #wait(waitMs: number): Promise<void> {
    await pause(this.#deps.clock, waitMs, this.#deps.signal).catch(() => {})
  }
}
