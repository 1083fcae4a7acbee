import type { EventContext, Delivery as RheaDelivery, Message as RheaMessage, Receiver as RheaReceiver } from 'rhea'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Delivery, Message, PeerError, Receiver } from './amqp.ts'
import { peerError } from './sender.ts'

/** AMQP 1.0 part 3, 3.2.6: the descriptor of a data section. */
const DATA_SECTION = 0x75

/** A receiving link on rhea: grants nothing by itself, and hands on only messages of exactly one data section. */
export class SafeReceiver implements Receiver {
  readonly address: string
  readonly closed: Promise<PeerError | undefined>
  readonly #link: RheaReceiver
  readonly #log: Pick<Logger, 'warn' | 'error'>
  readonly #resolveClosed: (error: PeerError | undefined) => void
  #ended = false

  constructor(
    link: RheaReceiver,
    address: string,
    onDelivery: (delivery: Delivery) => void,
    log: Pick<Logger, 'warn' | 'error'>,
  ) {
    this.address = address
    this.#link = link
    this.#log = log
    const { promise, resolve } = Promise.withResolvers<PeerError | undefined>()
    this.closed = promise
    this.#resolveClosed = resolve
    link.on('message', context => this.#take(context, onDelivery))
    link.on('receiver_error', () => this.end(peerError(link.error)))
    link.on('receiver_close', () => this.end(peerError(link.error)))
  }

  get alive(): boolean {
    return !this.#ended && this.#link.is_open()
  }

  grant(messages: number): void {
    if (this.alive && messages > 0) this.#link.add_credit(messages)
  }

  close(error?: PeerError): void {
    if (this.#ended) return
    this.#link.close(error)
    this.end(undefined)
  }

  end(error: PeerError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#resolveClosed(error)
  }

  /** An exception here would end the connection of everybody on it. */
  #take(context: EventContext, onDelivery: (delivery: Delivery) => void): void {
    const { delivery, message } = context
    if (!delivery || this.#ended) return
    const read = message && decode(message)
    if (!read) {
      this.#log.warn({ address: this.address }, 'a message without exactly one data section was rejected')
      delivery.reject({ condition: 'amqp:not-implemented', description: 'a message has to have exactly one data section' })
      this.grant(1)
      return
    }
    try {
      onDelivery(new SafeDelivery(delivery, read, this))
    } catch (error) {
      this.#log.error({ address: this.address }, `a message could not be handled: ${messageOf(error)}`)
      delivery.release()
    }
  }
}

class SafeDelivery implements Delivery {
  readonly message: Message
  readonly #delivery: RheaDelivery
  readonly #receiver: SafeReceiver
  #settled = false

  constructor(delivery: RheaDelivery, message: Message, receiver: SafeReceiver) {
    this.#delivery = delivery
    this.message = message
    this.#receiver = receiver
  }

  get alive(): boolean {
    return this.#receiver.alive
  }

  accept(): void {
    this.#settle(delivery => delivery.accept())
  }

  release(): void {
    // With an argument rhea sends `modified` instead.
    this.#settle(delivery => delivery.release())
  }

  modify({ failed }: { failed: boolean }): void {
    this.#settle(delivery => delivery.modified({ delivery_failed: failed, undeliverable_here: false }))
  }

  reject(error: PeerError): void {
    this.#settle(delivery => delivery.reject({ ...error }))
  }

  #settle(how: (delivery: RheaDelivery) => void): void {
    if (this.#settled) return
    this.#settled = true
    if (this.alive) how(this.#delivery)
  }
}

function decode(message: RheaMessage): Message | undefined {
  const section = message.body as { typecode?: number; content?: unknown; multiple?: boolean } | undefined
  if (section?.typecode !== DATA_SECTION || section.multiple || !Buffer.isBuffer(section.content)) return undefined
  const properties: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(message.application_properties ?? {})) {
    if (typeof value === 'string' || typeof value === 'number') properties[name] = value
  }
  return {
    body: section.content,
    properties,
    ...(typeof message.to === 'string' && { to: message.to }),
    ...(typeof message.reply_to === 'string' && { replyTo: message.reply_to }),
    ...(message.correlation_id !== undefined &&
      message.correlation_id !== null && { correlationId: String(message.correlation_id) }),
    ...(message.durable === true && { durable: true }),
  }
}
