import rhea, {
  type Delivery as RheaDelivery,
  type Message as RheaMessage,
  type Sender as RheaSender,
  type Session as RheaSession,
} from 'rhea'
import { assert } from '../runtime/errors.ts'
import { giveBack } from '../runtime/give-back.ts'
import type { Message, Outcome, PeerError, Sender } from './amqp.ts'
import { Gathered } from './gathered.ts'
import { PROPERTY } from './messages.ts'
import { socketOf } from './rhea-internals.ts'
import { creditOf, giveBackWhenDrained, letGoOfBody, placesLeft, untransferred } from './rhea-sessions.ts'

/** Deliveries of a sender that are unsettled at once; rhea's session throws past 2,048. */
export const UNSETTLED_MAX = 1_500
/** Bytes handed to the socket and not yet taken by the system, past which nothing more is sent: rhea has no back-pressure of its own. */
const UNWRITTEN_BYTES_MAX = 4 * 2 ** 20

/** AMQP 1.0 part 3, 3.2.16: what a message of sections is called in a transfer. */
const MESSAGE_FORMAT = 0
/** Part 3, 3.2.6, a data section: described, smallulong 0x75, then a binary of up to 2³² bytes. */
const DATA_SECTION = Buffer.from([0x00, 0x53, 0x75, 0xb0])
const EMPTY_DATA_SECTION = Buffer.from([0x00, 0x53, 0x75, 0xa0, 0x00])
const SIZE_BYTES = 4

type Settled = (outcome: Outcome, error?: PeerError) => void

/** A sending link on rhea: keeps its own account of what is unsettled, since rhea forgets it without a word when the connection goes. */
export class SafeSender implements Sender {
  readonly address: string
  readonly closed: Promise<PeerError | undefined>
  readonly #link: RheaSender
  readonly #session: RheaSession
  readonly #ownsSession: boolean
  readonly #unsettled = new Map<RheaDelivery, Settled>()
  readonly #roomCalls: (() => void)[] = []
  readonly #resolveClosed: (error: PeerError | undefined) => void
  #ended = false
  #wasFull = true
  #awaitsDrain = false

  constructor(link: RheaSender, address: string, session: RheaSession, ownsSession: boolean) {
    this.address = address
    this.#link = link
    this.#session = session
    this.#ownsSession = ownsSession
    const { promise, resolve } = Promise.withResolvers<PeerError | undefined>()
    this.closed = promise
    this.#resolveClosed = resolve
    for (const outcome of ['accepted', 'released', 'modified'] as const)
      link.on(outcome, context => this.#settle(context.delivery, outcome))
    link.on('rejected', context => this.#settle(context.delivery, 'rejected', peerError(context.delivery?.remote_state?.error)))
    // A peer that settles without an outcome has not said that it took the message.
    link.on('settled', context => this.#settle(context.delivery, 'modified'))
    link.on('sendable', () => this.#roomChanged())
    giveBackWhenDrained(link)
    link.on('sender_error', () => this.end(peerError(link.error)))
    link.on('sender_close', () => this.end(peerError(link.error)))
  }

  get room(): number {
    if (this.#ended || !this.#link.is_open()) return 0
    const socket = socketOf(this.#link.connection)
    if (!socket || socket.destroyed) return 0
    if (socket.writableLength > UNWRITTEN_BYTES_MAX) {
      this.#lookAfterDrain(socket)
      return 0
    }
    const room = Math.min(
      creditOf(this.#link) - untransferred(this.#session),
      placesLeft(this.#session),
      UNSETTLED_MAX - this.#unsettled.size,
    )
    if (room <= 0) this.#wasFull = true
    return Math.max(0, room)
  }

  send(message: Message, settled: Settled): void {
    assert(this.room > 0, 'a message is sent only where there is room')
    const delivery = this.#link.send(encode(message) as unknown as Buffer, undefined, MESSAGE_FORMAT)
    this.#unsettled.set(delivery, settled)
  }

  /** Not while the socket has something unwritten: a peer that accepts what it has not read yet would have the system read memory that is somebody else's by then. */
  letGo(body: Buffer): void {
    const socket = socketOf(this.#link.connection)
    if (socket && !socket.destroyed && socket.writableLength === 0) giveBack(body)
  }

  onRoom(call: () => void): void {
    this.#roomCalls.push(call)
  }

  close(): void {
    if (this.#ended) return
    this.#link.close()
    if (this.#ownsSession) this.#session.close()
    this.end(undefined)
  }

  /** The link is gone, whoever ended it: nobody will ever say what became of what is unsettled. */
  end(error: PeerError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    const lost = [...this.#unsettled.values()]
    this.#unsettled.clear()
    for (const settled of lost) settled('lost')
    this.#resolveClosed(error)
  }

  #settle(delivery: RheaDelivery | undefined, outcome: Outcome, error?: PeerError): void {
    const settled = delivery && this.#unsettled.get(delivery)
    if (!settled) return
    this.#unsettled.delete(delivery)
    letGoOfBody(delivery)
    settled(outcome, error)
    this.#roomChanged()
  }

  #roomChanged(): void {
    if (!this.#wasFull || this.room <= 0) return
    this.#wasFull = false
    for (const call of this.#roomCalls) call()
  }

  #lookAfterDrain(socket: NonNullable<ReturnType<typeof socketOf>>): void {
    this.#wasFull = true
    if (this.#awaitsDrain) return
    this.#awaitsDrain = true
    socket.once('drain', () => {
      this.#awaitsDrain = false
      this.#roomChanged()
    })
  }
}

export function peerError(error: unknown): PeerError | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { condition, description } = error as { condition?: unknown; description?: unknown }
  return { condition: String(condition ?? 'unknown'), description: String(description ?? '') }
}

/** The sections before the body by rhea; the body itself stays where it is, where rhea would copy it four times. */
function encode(message: Message): Gathered {
  const properties: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(message.properties)) {
    if (typeof value === 'string') properties[name] = value
    else properties[name] = name === PROPERTY.count ? rhea.types.wrap_uint(value) : rhea.types.wrap_ulong(value)
  }
  const sections: RheaMessage = {
    // rhea knows no message without a body: an empty one is taken off again.
    body: rhea.message.data_section(Buffer.alloc(0)),
    application_properties: properties,
    ...(message.to !== undefined && { to: message.to }),
    ...(message.replyTo !== undefined && { reply_to: message.replyTo }),
    ...(message.correlationId !== undefined && { correlation_id: message.correlationId }),
    ...(message.durable && { durable: true }),
    ...(message.ttlMs !== undefined && { ttl: message.ttlMs }),
  }
  const withEmptyBody: Buffer = rhea.message.encode(sections)
  const before = withEmptyBody.subarray(0, -EMPTY_DATA_SECTION.length)
  assert(withEmptyBody.subarray(before.length).equals(EMPTY_DATA_SECTION), 'the body is the last section')
  const { body } = message
  const section = Buffer.allocUnsafe(DATA_SECTION.length + SIZE_BYTES)
  DATA_SECTION.copy(section)
  section.writeUInt32BE(body.length, DATA_SECTION.length)
  return new Gathered([before, section, body])
}
