import type { Delivery as RheaDelivery, Sender as RheaSender, Session as RheaSession } from 'rhea'
import { Chain, ChainLink } from '../runtime/chain.ts'
import { assert } from '../runtime/errors.ts'
import { giveBack } from '../runtime/give-back.ts'
import type { Message, Outcome, PeerError, Sender } from './amqp.ts'
import { Gathered } from './gathered.ts'
import { MessageHeads } from './message-head.ts'
import { socketOf } from './rhea-internals.ts'
import { creditOf, giveBackWhenDrained, letGoOfBody, placesLeft, untransferred } from './rhea-sessions.ts'

/** Deliveries of a sender that are unsettled at once; rhea's session throws past 2,048. */
export const UNSETTLED_MAX = 1_500
/** Bytes handed to the socket and not yet taken by the system, past which nothing more is sent: rhea has no back-pressure of its own. */
const UNWRITTEN_BYTES_MAX = 4 * 2 ** 20

/** AMQP 1.0 part 3, 3.2.16: what a message of sections is called in a transfer. */
const MESSAGE_FORMAT = 0

const TAG_BYTES = 4

type Settled = (outcome: Outcome, error?: PeerError) => void

/** A delivery whose outcome is not known. */
class Unsettled extends ChainLink<Unsettled> {
  readonly settled: Settled

  constructor(settled: Settled) {
    super()
    this.settled = settled
  }
}

/** rhea's delivery, and what it is to us. */
type Awaited = RheaDelivery & { unsettled?: Unsettled | undefined }

/** A sending link on rhea: keeps its own account of what is unsettled, since rhea forgets it without a word when the connection goes. */
export class SafeSender implements Sender {
  readonly address: string
  readonly closed: Promise<PeerError | undefined>
  readonly #link: RheaSender
  readonly #session: RheaSession
  readonly #ownsSession: boolean
  readonly #unsettled = new Chain<Unsettled>()
  readonly #roomCalls: (() => void)[] = []
  readonly #heads = new MessageHeads()
  #tags = 0
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
    const whole = new Gathered([this.#heads.encode(message), message.body])
    const delivery: Awaited = this.#link.send(whole as unknown as Buffer, this.#nextTag(), MESSAGE_FORMAT)
    delivery.unsettled = new Unsettled(settled)
    this.#unsettled.push(delivery.unsettled)
  }

  /** AMQP 1.0 part 2, 2.6.12: unique among what is unsettled on the link. rhea's own makes an object of the number, and goes through its digits. */
  #nextTag(): Buffer {
    this.#tags = (this.#tags + 1) >>> 0
    const tag = Buffer.allocUnsafe(TAG_BYTES)
    tag.writeUInt32BE(this.#tags)
    return tag
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
    for (let lost = this.#unsettled.first; lost; lost = this.#unsettled.first) {
      this.#unsettled.remove(lost)
      lost.settled('lost')
    }
    this.#resolveClosed(error)
  }

  #settle(delivery: Awaited | undefined, outcome: Outcome, error?: PeerError): void {
    const unsettled = delivery?.unsettled
    if (!delivery || unsettled?.chain !== this.#unsettled) return
    this.#unsettled.remove(unsettled)
    delivery.unsettled = undefined
    letGoOfBody(delivery)
    unsettled.settled(outcome, error)
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
