import type { Connection, Delivery, PeerError, Receiver } from '../amqp/amqp.ts'
import { PROPERTY, REFUSAL } from '../amqp/messages.ts'
import type { Claim } from '../log/log.ts'
import { checkIncomingBatch } from '../record/check-batch.ts'
import type { EncodedBatch } from '../record/record.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { SparingLog } from '../runtime/sparing-log.ts'
import { Credit, type CreditBounds } from './credit.ts'
import type { Arrival, Gate } from './gate.ts'
import { isIntact } from './intact.ts'
import { type GatewayQuota, type QuotaStatus, QuotaWake } from './quotas.ts'

/** So often a batch may come with a wrong CRC before it counts as made wrong rather than hurt on its way. */
const HURT_BATCHES_MAX = 3

/** A source as it was opened in a session. */
export interface OpenedGate {
  readonly claim: Claim
  readonly gate: Gate
  /** The partition's end at the opening. */
  readonly end: number
}

export interface GatewaySessionDeps {
  readonly gateway: string
  readonly instance: string
  readonly session: number
  /** The connection on which it was opened. */
  readonly connection: Connection
  readonly since: string
  /** SHA-256 of the certificate with which its opening was signed, where others stand between. */
  readonly proof?: string | undefined
  readonly credit: CreditBounds
  readonly quota: GatewayQuota
  readonly clock: Clock
  readonly logger: Logger
  /** For what the gateway can cause with each message, over all its sessions. */
  readonly warnings: SparingLog
  /** {@link checkIncomingBatch}; less only where a test breaks the rule on purpose. */
  readonly check?: typeof checkIncomingBatch
}

/**
 * One session of one gateway: checks what comes in it and hands it to the gates. Nothing that comes in a session is passed on once it is closed, not
 * even what waits at a gate.
 */
export class GatewaySession {
  readonly gateway: string
  readonly instance: string
  readonly session: number
  readonly connection: Connection
  readonly since: string
  readonly proof: string | undefined
  readonly sources = new Map<string, OpenedGate>()
  readonly #logger: Logger
  readonly #warnings: SparingLog
  readonly #credit: Credit
  readonly #check: typeof checkIncomingBatch
  readonly #quota: GatewayQuota
  readonly #wake: QuotaWake
  #receiver: Receiver | undefined
  #open = true
  #granting = true
  /** Where a wrong CRC was seen last: how often in a row. */
  readonly #hurt = new Map<string, number>()

  constructor(deps: GatewaySessionDeps) {
    this.gateway = deps.gateway
    this.instance = deps.instance
    this.session = deps.session
    this.connection = deps.connection
    this.since = deps.since
    this.proof = deps.proof
    this.#check = deps.check ?? checkIncomingBatch
    this.#credit = new Credit(deps.credit)
    this.#quota = deps.quota
    this.#wake = new QuotaWake(deps.clock, () => this.#grant())
    this.#warnings = deps.warnings
    this.#logger = deps.logger.child({ gateway: deps.gateway, session: deps.session })
    void deps.connection.closed.then(() => this.close('its connection was closed'))
  }

  /** What the gateway is told of its quota; undefined where nothing limits what it sends. */
  get told() {
    if (!this.#quota.isRate) return undefined
    const { bytes_per_second: bytesPerSecond, records_per_second: recordsPerSecond } = this.#quota.limits
    return { bytesPerSecond, recordsPerSecond, silenceMs: this.#quota.silenceMs }
  }

  /** Sources that the gateway may have. */
  get partitionsMax(): number {
    return this.#quota.limits.partitions ?? Number.POSITIVE_INFINITY
  }

  get quota(): QuotaStatus {
    return this.#quota.status()
  }

  get open(): boolean {
    return this.#open
  }

  /** Whether its data link is there. */
  get attached(): boolean {
    return this.#receiver !== undefined
  }

  /** The gateway attached its data link: from here on it may send. */
  attach(receiver: Receiver): void {
    if (!this.#open) {
      receiver.close({ condition: REFUSAL.sessionNotNewest, description: 'the session is over' })
      return
    }
    this.#receiver = receiver
    void receiver.closed.then(() => this.close('its data link was closed'))
    this.#grant()
  }

  rebound(credit: CreditBounds): void {
    this.#credit.rebound(credit)
    this.#grant()
  }

  /** Lets nothing more come than what was granted already. */
  stopGranting(): void {
    this.#granting = false
  }

  /** Nothing more is passed on, and no outcome is told. */
  close(why: string): void {
    if (!this.#open) return
    this.#open = false
    this.#wake.cancel()
    // Its connection keeps it in mind to its end; it needs not be large.
    this.sources.clear()
    this.#hurt.clear()
    this.#logger.info({ why }, 'session closed')
    this.#receiver?.close({ condition: REFUSAL.sessionNotNewest, description: why })
  }

  /** The opening went well, and not for this source: its gateway asks again, for as long as it is so. */
  sourceRefused(source: string, reason: string): void {
    this.#warnings.warn({ gateway: this.gateway, session: this.session, source, reason }, 'a source is refused')
  }

  take(delivery: Delivery): void {
    if (!this.#open) return
    const { body, properties } = delivery.message
    this.#credit.received(body.length)
    this.#quota.took(body.length, Math.max(1, Number(properties[PROPERTY.count]) || 0))
    const refusal = this.#mismatch(properties)
    const opened = this.sources.get(String(properties[PROPERTY.source]))
    if (refusal !== undefined || !opened) {
      this.#reject(
        delivery,
        REFUSAL.notOpened,
        refusal ?? `the source ${properties[PROPERTY.source]} was not opened in this session`,
      )
      return
    }
    const { producerId, epoch, epochStart } = opened.claim
    const sequence = Number(properties[PROPERTY.sequence])
    const count = Number(properties[PROPERTY.count])
    const checked = this.#check(body, { sequence, count, producerId, epoch, epochStart })
    if (!checked.ok) {
      this.#bad(delivery, opened.claim.source.source, checked.reason, checked.detail)
      return
    }
    this.#hurt.delete(opened.claim.source.source)
    opened.gate.offer(this.#arrival(delivery, { sequence, count, bytes: body }, checked.header.crc, opened.claim))
  }

  #mismatch(properties: Delivery['message']['properties']): string | undefined {
    if (properties[PROPERTY.gateway] !== this.gateway)
      return `the message names gateway ${properties[PROPERTY.gateway]}, the link is ${this.gateway}'s`
    if (properties[PROPERTY.session] !== this.session)
      return `the message names session ${properties[PROPERTY.session]}, the link is of ${this.session}`
    return undefined
  }

  /** Bytes may be hurt on their way: those come again. What was made wrong would come wrong for ever. */
  #bad(delivery: Delivery, source: string, reason: string, detail: string): void {
    const times = (this.#hurt.get(source) ?? 0) + 1
    this.#hurt.set(source, times)
    if (reason === 'crc' && times < HURT_BATCHES_MAX) {
      this.#warnings.warn(
        { gateway: this.gateway, session: this.session, source, detail, times },
        'a batch came hurt; it is asked for again',
      )
      delivery.modify({ failed: true })
      this.#settled(delivery)
    } else this.#reject(delivery, REFUSAL.badBatch, `${source}: ${detail}`)
  }

  #reject(delivery: Delivery, condition: string, description: string): void {
    this.#warnings.error({ gateway: this.gateway, session: this.session, condition, description }, 'refuses a message')
    delivery.reject({ condition, description })
    this.#settled(delivery)
  }

  #arrival(delivery: Delivery, batch: EncodedBatch, crc: number, claim: Claim): Arrival {
    const session = this
    return {
      batch,
      crc,
      producerId: claim.producerId,
      epoch: claim.epoch,
      epochStart: claim.epochStart,
      get alive() {
        return session.#open && delivery.alive
      },
      intact: () => isIntact(batch.bytes),
      accept: () => {
        delivery.accept()
        this.#settled(delivery)
      },
      release: () => {
        delivery.release()
        this.#settled(delivery)
      },
      reject: (error: PeerError) => {
        delivery.reject(error)
        this.#settled(delivery)
      },
      drop: () => this.#settled(delivery),
    }
  }

  #settled(delivery: Delivery): void {
    this.#credit.settled(delivery.message.body.length)
    this.#grant()
  }

  #grant(): void {
    if (!this.#receiver || !this.#open || !this.#granting) return
    const allowed = this.#quota.messages(this.#credit.weightBytes)
    if (allowed === 0) this.#wake.in(this.#quota.inMs(this.#credit.weightBytes))
    const messages = this.#credit.grant(allowed)
    if (messages > 0) this.#receiver.grant(messages)
  }
}
