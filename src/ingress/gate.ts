import type { PeerError } from '../amqp/amqp.ts'
import { REFUSAL } from '../amqp/messages.ts'
import type { Appended, EndProof, Log, Place } from '../log/log.ts'
import { readBatchHeader } from '../record/batch-header.ts'
import type { EncodedBatch } from '../record/record.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { DeadLetters } from './dead-letters.ts'
import { INGRESS_LIMITS } from './limits.ts'
import { placeholderFor } from './placeholder.ts'
import { Suspicion } from './suspicion.ts'
import { type Likeness, whatLiesAt } from './what-lies.ts'

/** How long a partition that cannot be reached is left in peace, ms. */
const REST = { firstMs: 100, maxMs: 5_000 }
/** So often in a row a proof may be void before the partition is given a rest: its leader answers too slowly for any proof to last. */
const VOID_PROOFS_MAX = 5

/** A batch that waits for its place in the log, and the delivery that it came in. */
export interface Arrival {
  readonly batch: EncodedBatch
  readonly crc: number
  readonly epoch: number
  readonly epochStart: number
  readonly producerId: number
  /** False when its session or connection is over: then it is not passed on. */
  readonly alive: boolean
  /** Whether its bytes are still the ones that were checked when it came. */
  intact(): boolean
  accept(): void
  release(): void
  reject(error: PeerError): void
  /** It is not alive any more: what is held for it may go. */
  drop(): void
}

/** How a batch stands to the next number of its partition. */
export type Standing = 'stored' | 'next' | 'ahead' | 'straddles'

export function standingOf(batch: EncodedBatch, next: number): Standing {
  if (batch.sequence === next) return 'next'
  if (batch.sequence > next) return 'ahead'
  return batch.sequence + batch.count <= next ? 'stored' : 'straddles'
}

export interface GateDeps {
  readonly place: Place
  /** `<gateway>/<source>`. */
  readonly source: string
  /** Who shares the log with others: its gateway. */
  readonly gateway: string
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  readonly deadLetters: DeadLetters
  /** Ends every wait. */
  readonly signal: AbortSignal
  /** That of {@link INGRESS_LIMITS}, unless set. */
  readonly waitingMax?: number | undefined
  /** {@link standingOf}; another one only where a test breaks the rule on purpose. */
  readonly standing?: (batch: EncodedBatch, next: number) => Standing
  /** {@link whatLiesAt}; another one only where a test breaks the rule on purpose. */
  readonly look?: typeof whatLiesAt
  /** What is made of a batch that the log refuses; another one only where a test breaks the rule on purpose. */
  readonly newSuspicion?: (of: Arrival) => Suspicion
}

interface Waiting {
  readonly arrival: Arrival
  /** What is appended: the arrival's batch, or the placeholder that takes its numbers. */
  batch: EncodedBatch
  /** How often the end had been read when it came. */
  readonly readsBefore: number
}

/**
 * The one door to a partition: rule 5. It lets pass only what is next, and only on fresh proof of what is next.
 *
 *   UNPROVEN ──end read──► PROVEN ──first = next──► APPENDING ──answered at its number──► PROVEN
 *      ▲                     │                        │
 *      ├── something ahead ──┘                        ├── proof void, gap, fenced ──► UNPROVEN
 *      └── after a rest ◄── RESTING ◄─────────────────┘ not known whether stored: everything that waits is released
 *   any ──another offset, a straddling batch, another one's records, refused twice at one end──► FROZEN ──a batch of a higher epoch──► UNPROVEN
 *
 * One loop walks through the batches that wait, in order, one append at a time; it ends where none waits.
 */
export class Gate {
  readonly #deps: GateDeps
  readonly #waitingMax: number
  readonly #standing: (batch: EncodedBatch, next: number) => Standing
  readonly #waiting: Waiting[] = []
  readonly #backoff: Backoff
  /** The next number of the partition, on this proof; absent where it has to be read. */
  #end: { readonly next: number; readonly proof: EndProof } | undefined
  #lastNext: number | undefined
  #reads = 0
  #voidProofs = 0
  /** The end at which the log last refused what was next. */
  #refusedAt: number | undefined
  #suspicion: Suspicion | undefined
  #frozen: { readonly epoch: number; readonly error: PeerError } | undefined
  #walking = false
  /** When the walk took its latest step, on the monotonic clock, ms. */
  #steppedAtMs = 0
  #idleCalls: (() => void)[] = []

  constructor(deps: GateDeps) {
    this.#deps = deps
    this.#waitingMax = deps.waitingMax ?? INGRESS_LIMITS.waitingAtGate
    this.#standing = deps.standing ?? standingOf
    this.#backoff = new Backoff(REST, deps.random)
  }

  /** The next number, as it was last seen; for people. */
  get next(): number | undefined {
    return this.#lastNext
  }

  /** Why nothing of this epoch passes any more. */
  frozen(epoch: number): PeerError | undefined {
    return this.#frozen && epoch <= this.#frozen.epoch ? this.#frozen.error : undefined
  }

  /** For how long it has been at one step, ms; 0 where it rests. */
  get atOneStepMs(): number {
    return this.#walking ? this.#deps.clock.monotonicMs() - this.#steppedAtMs : 0
  }

  /** Resolves when nothing waits here. */
  idle(): Promise<void> {
    return this.#walking ? new Promise(resolve => this.#idleCalls.push(resolve)) : Promise.resolve()
  }

  /** Connections or leaders changed: what was proven is void. */
  voidProof(): void {
    this.#end = undefined
  }

  /** Takes an arrival; its outcome is told to it. */
  offer(arrival: Arrival): void {
    const frozen = this.frozen(arrival.epoch)
    if (frozen) {
      arrival.reject(frozen)
      return
    }
    if (this.#waiting.length >= this.#waitingMax) this.#dropDead()
    if (this.#waiting.length >= this.#waitingMax) {
      arrival.release()
      return
    }
    this.#waiting.push({ arrival, batch: arrival.batch, readsBefore: this.#reads })
    if (!this.#walking) void this.#walk()
  }

  async #walk(): Promise<void> {
    this.#walking = true
    for (let head = this.#waiting[0]; head; head = this.#waiting[0]) {
      this.#steppedAtMs = this.#deps.clock.monotonicMs()
      try {
        if (!head.arrival.alive) this.#dropDead()
        else if (!this.#end) await this.#readEnd()
        else await this.#pass(head, this.#end)
      } catch (cause) {
        this.#deps.logger.error({ cause: messageOf(cause) }, 'a gate failed')
        await this.#rest(messageOf(cause))
      }
    }
    this.#walking = false
    for (const call of this.#idleCalls.splice(0)) call()
  }

  async #pass(head: Waiting, end: { readonly next: number; readonly proof: EndProof }): Promise<void> {
    switch (this.#standing(head.batch, end.next)) {
      case 'stored':
        return this.#confirm(head, () => {
          this.#waiting.shift()
          head.arrival.accept()
        })
      case 'straddles':
        this.#freeze(head.arrival.epoch, `a batch of numbers ${rangeText(head.batch)} straddles the end of the log, ${end.next}`)
        return
      case 'ahead':
        if (head.readsBefore === this.#reads) return this.#readEnd()
        this.#waiting.shift()
        head.arrival.release()
        return
      case 'next':
        if (this.#suspicion?.concerns(head.arrival)) return this.#passSuspect(head, this.#suspicion, end.proof)
        return this.#append(head, end.proof)
    }
  }

  async #readEnd(): Promise<void> {
    this.#reads += 1
    try {
      const { next, proof } = await this.#deps.log.end(this.#deps.place)
      this.#end = { next, proof }
      this.#lastNext = next
    } catch (cause) {
      await this.#rest(`the end cannot be read: ${messageOf(cause)}`)
    }
  }

  async #append(head: Waiting, proof: EndProof): Promise<void> {
    const answer = await this.#answerOf(head.batch, proof)
    switch (answer.outcome) {
      case 'appended':
        return this.#stored(head, answer.offset, proof)
      case 'repeated':
        return this.#confirm(head, () => this.#stored(head, answer.offset, proof))
      case 'unavailable':
        return this.#rest(answer.detail)
      case 'refused':
        return this.#refused(head, answer)
    }
  }

  async #answerOf(batch: EncodedBatch, proof: EndProof): Promise<Appended> {
    try {
      const { log, place, gateway } = this.#deps
      return await log.append(place, batch, proof, gateway)
    } catch (cause) {
      return { outcome: 'unavailable', detail: messageOf(cause) }
    }
  }

  /** Its numbers are in the log: whether its records are is looked at there. */
  async #confirm(head: Waiting, accept: () => void): Promise<void> {
    const { log, place, look = whatLiesAt } = this.#deps
    const crc = head.batch === head.arrival.batch ? head.arrival.crc : readBatchHeader(head.batch.bytes).crc
    let likeness: Likeness
    try {
      likeness = await look(log, place, head.batch, crc)
    } catch (cause) {
      return this.#rest(messageOf(cause))
    }
    if (likeness !== 'other') return accept()
    this.#freeze(head.arrival.epoch, `the log holds another batch at numbers ${rangeText(head.batch)}: two write as this one`)
  }

  /** Error 0 says little; the offset is the judge. */
  #stored(head: Waiting, offset: number, proof: EndProof): void {
    if (offset !== head.batch.sequence) {
      this.#freeze(head.arrival.epoch, `the log stored numbers ${rangeText(head.batch)} at offset ${offset}`)
      return
    }
    const next = head.batch.sequence + head.batch.count
    this.#lastNext = next
    if (this.#end?.proof === proof) this.#end = { next, proof }
    this.#voidProofs = 0
    this.#refusedAt = undefined
    if (this.#suspicion) this.#deps.deadLetters.passed(this.#deps.source)
    this.#suspicion = undefined
    this.#backoff.reset()
    this.#thaw(head.arrival.epoch)
    this.#waiting.shift()
    head.arrival.accept()
  }

  async #refused(head: Waiting, { reason, detail }: Extract<Appended, { outcome: 'refused' }>): Promise<void> {
    this.#end = undefined
    if (reason === 'proof_void') {
      this.#voidProofs += 1
      if (this.#voidProofs >= VOID_PROOFS_MAX) await this.#rest(`no proof of the end lasts: ${detail}`)
    } else if (reason === 'gap' || reason === 'fenced') {
      if (this.#refusedAt === head.batch.sequence) {
        this.#freeze(
          head.arrival.epoch,
          `the log twice refused numbers ${rangeText(head.batch)} at its end (${reason}: ${detail})`,
        )
      } else this.#refusedAt = head.batch.sequence
    } else this.#suspect(head, `${reason}: ${detail}`)
  }

  /** The log does not like the bytes. They may have been hurt here, or the log may be wrong: neither is the end of it. */
  #suspect(head: Waiting, detail: string): void {
    const { clock, logger } = this.#deps
    if (head.batch !== head.arrival.batch) {
      this.#freeze(head.arrival.epoch, `the log refuses even a placeholder for numbers ${rangeText(head.batch)} (${detail})`)
      return
    }
    if (!head.arrival.intact()) {
      logger.error({ sequence: head.batch.sequence }, 'the bytes of a batch changed in memory: look after the hardware')
      this.#waiting.shift()
      head.arrival.release()
      return
    }
    if (!this.#suspicion?.concerns(head.arrival)) {
      this.#suspicion = this.#deps.newSuspicion?.(head.arrival) ?? new Suspicion(head.arrival)
    }
    this.#suspicion.refused(clock.monotonicMs(), detail)
    logger.warn({ sequence: head.batch.sequence, tries: this.#suspicion.tries, detail }, 'the log refuses a batch')
  }

  /** A batch that was refused goes again at its time, and in the end to the dead letters; a placeholder takes its numbers. */
  async #passSuspect(head: Waiting, suspicion: Suspicion, proof: EndProof): Promise<void> {
    const { clock, place, source, deadLetters } = this.#deps
    if (suspicion.buried || suspicion.hopeless) {
      if (!suspicion.buried) {
        const put = await deadLetters.put({ place, source, batch: head.batch, reason: suspicion.detail })
        if (!put) {
          suspicion.spare()
          return this.#rest('the dead letters cannot be written')
        }
        suspicion.buried = true
        if (!head.arrival.alive) return
      }
      head.batch = placeholderFor(source, head.arrival, clock.wallMs())
      return this.#append(head, proof)
    }
    const waitMs = suspicion.againInMs(clock.monotonicMs())
    if (waitMs <= 0) return this.#append(head, proof)
    this.#end = undefined
    await this.#pause(waitMs)
  }

  /** It is not known what is stored: releases everything that waits, and leaves the partition in peace for a while. */
  async #rest(why: string): Promise<void> {
    this.#end = undefined
    this.#voidProofs = 0
    this.#deps.logger.debug({ why }, 'gives the partition up for now')
    for (const { arrival } of this.#waiting.splice(0)) {
      if (arrival.alive) arrival.release()
      else arrival.drop()
    }
    await this.#pause(this.#backoff.nextMs())
  }

  async #pause(forMs: number): Promise<void> {
    // Stopping ends the wait; what waits here then is dead.
    await pause(this.#deps.clock, forMs, this.#deps.signal).catch(() => {})
  }

  #freeze(epoch: number, what: string): void {
    const { place, source, alarms, logger } = this.#deps
    const description = `${source} in ${place.topic}[${place.partition}]: ${what}.`
    const error = { condition: REFUSAL.freeze, description }
    this.#frozen = { epoch, error }
    this.#end = undefined
    this.#refusedAt = undefined
    logger.error({ what }, 'freezes a source')
    alarms.raise('source_frozen', {
      source,
      message: description,
      advice: 'Find out who else writes to this partition; then run `headrace source resume` on its gateway.',
    })
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.arrival.epoch <= epoch) waiting.arrival.reject(error)
      else waiting.arrival.release()
    }
  }

  /** A batch of a higher epoch lies in its place: what was frozen before it is over. */
  #thaw(epoch: number): void {
    if (!this.#frozen || epoch <= this.#frozen.epoch) return
    this.#frozen = undefined
    this.#deps.alarms.clear('source_frozen', this.#deps.source)
  }

  #dropDead(): void {
    const all = this.#waiting.splice(0)
    for (const waiting of all) {
      if (waiting.arrival.alive) this.#waiting.push(waiting)
      else waiting.arrival.drop()
    }
  }
}

function rangeText({ sequence, count }: EncodedBatch): string {
  return `${sequence}…${sequence + count - 1}`
}
