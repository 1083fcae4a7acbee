import type { Connection, Delivery, Receiver, Sender } from '../amqp/amqp.ts'
import { type ControlMessage, encodeControl, PROPERTY, QUEUE, QUEUE_CAPABILITIES } from '../amqp/messages.ts'
import type { Clock } from '../runtime/clock.ts'
import type { StoredDelivery } from './at-hand.ts'
import { Credit, type CreditBounds } from './credit.ts'
import { type GatewayQuota, QuotaWake } from './quotas.ts'

/** How long a link may take to attach, ms. */
const ATTACH_TIMEOUT_MS = 5_000
/** A gateway that is not there finds no questions from long ago, ms. */
const CONTROL_TTL_MS = 60_000
/** What comes again has a credit of its own: it has to pass whatever waits in the data queue. */
const AGAIN_BOUNDS: CreditBounds = { messagesMax: 64, bytesMax: 4 * 2 ** 20 }

export interface ReaderLimits {
  readonly bounds: CreditBounds
  readonly throttle: { readonly quota: GatewayQuota; readonly clock: Clock }
}

/** The links of one gateway to one broker: its queues, read within bounds, and the way back. */
export class QueueReader {
  readonly gateway: string
  readonly #links: { close(): void; readonly closed: Promise<unknown> }[] = []
  readonly #credit: Credit
  readonly #quota: GatewayQuota
  readonly #wake: QuotaWake
  readonly #take: (delivery: StoredDelivery) => void
  #data: Receiver | undefined
  #control: Sender | undefined
  #granting = true

  private constructor(gateway: string, { bounds, throttle }: ReaderLimits, take: (delivery: StoredDelivery) => void) {
    this.gateway = gateway
    this.#credit = new Credit(bounds)
    this.#quota = throttle.quota
    this.#wake = new QuotaWake(throttle.clock, () => this.#grant())
    this.#take = take
  }

  /** Attaches; rejects where the broker refuses a link, as one does that gives a queue to one reader only. */
  static async attach(
    connection: Connection,
    gateway: string,
    limits: ReaderLimits,
    take: (delivery: StoredDelivery) => void,
  ): Promise<QueueReader> {
    const reader = new QueueReader(gateway, limits, take)
    try {
      await reader.#attach(connection)
      return reader
    } catch (cause) {
      reader.close()
      throw cause
    }
  }

  /** Resolves when one of the links is gone. */
  get closed(): Promise<unknown> {
    return Promise.race(this.#links.map(link => link.closed))
  }

  rebound(bounds: CreditBounds): void {
    this.#credit.rebound(bounds)
    this.#grant()
  }

  /** Asks something of the gateway; lost where the broker gives no credit, and asked again by who wants it. */
  tell(message: ControlMessage): void {
    if (this.#control && this.#control.room > 0)
      this.#control.send({ body: encodeControl(message), properties: {}, durable: true, ttlMs: CONTROL_TTL_MS }, () => {})
  }

  stopGranting(): void {
    this.#granting = false
  }

  close(): void {
    this.#granting = false
    this.#wake.cancel()
    for (const link of this.#links) link.close()
  }

  async #attach(connection: Connection): Promise<void> {
    const common = { capabilities: QUEUE_CAPABILITIES, timeoutMs: ATTACH_TIMEOUT_MS }
    const again = new Credit(AGAIN_BOUNDS)
    const grantAgain = () => this.#granting && againReceiver.grant(again.grant())
    const againReceiver = await connection.openReceiver({
      address: QUEUE.again(this.gateway),
      ...common,
      onDelivery: delivery => this.#take(storedDelivery(delivery, again, grantAgain)),
    })
    this.#links.push(againReceiver)
    this.#control = await connection.openSender({ address: QUEUE.control(this.gateway), ...common })
    this.#links.push(this.#control)
    this.#data = await connection.openReceiver({
      address: QUEUE.data(this.gateway),
      ...common,
      onDelivery: delivery => {
        const { body, properties } = delivery.message
        this.#quota.took(body.length, Math.max(1, Number(properties[PROPERTY.count]) || 0))
        this.#take(storedDelivery(delivery, this.#credit, () => this.#grant()))
      },
    })
    this.#links.push(this.#data)
    grantAgain()
    this.#grant()
  }

  #grant(): void {
    if (!this.#granting) return
    const { weightBytes } = this.#credit
    const allowed = this.#quota.messages(weightBytes)
    if (allowed === 0) this.#wake.in(this.#quota.inMs(weightBytes))
    this.#data?.grant(this.#credit.grant(allowed))
  }
}

function storedDelivery(delivery: Delivery, credit: Credit, grant: () => void): StoredDelivery {
  const { body, properties } = delivery.message
  credit.received(body.length)
  return {
    bytes: body,
    properties,
    get alive() {
      return delivery.alive
    },
    accept: () => {
      delivery.accept()
      credit.settled(body.length)
      grant()
    },
  }
}
