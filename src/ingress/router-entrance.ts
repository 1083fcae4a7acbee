import type { Connection, Delivery, Receiver, Sender } from '../amqp/amqp.ts'
import { ADDRESS, encodeTakeover, PROTOCOL_VERSION, takeoverSchema } from '../amqp/messages.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { Dialler, type Upstream } from './dialler.ts'
import type { Entrance, EntranceHost } from './entrance.ts'
import type { GatewaySession } from './gateway-session.ts'
import type { QuestionDesk } from './identities.ts'
import type { OpeningRequest } from './openings.ts'
import { Replies } from './replies.ts'

/** How long a link may take to attach, ms. */
const ATTACH_TIMEOUT_MS = 5_000
/** Openings that a router may hand over before the first is answered. */
const OPENINGS_GRANTED = 16
/** Announcements of sessions that were taken over, granted ahead. */
const TAKEOVERS_GRANTED = 256

export interface RouterEntranceDeps {
  /** Name of this core. */
  readonly name: string
  readonly upstream: Upstream
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** Where the core has an authority: questions about certificates are answered here too. */
  readonly questions?: QuestionDesk | undefined
}

/**
 * Gateways come through a network of AMQP routers. An opening is taken from `headrace/open`, where routers spread them over the ingresses; the session
 * has an address of its own, to which this ingress attaches before it answers: from then on the network sends the gateway's batches here.
 */
export class RouterEntrance implements Entrance {
  readonly #deps: RouterEntranceDeps
  readonly #dialler: Dialler
  #taking = true

  constructor(deps: RouterEntranceDeps) {
    this.#deps = deps
    this.#dialler = new Dialler(deps)
  }

  get url(): string {
    return this.#dialler.url
  }

  async start(host: EntranceHost): Promise<void> {
    this.#dialler.start(connection => this.#serve(host, connection))
  }

  stop(): void {
    this.#taking = false
  }

  close(): Promise<void> {
    return this.#dialler.close()
  }

  async #serve(host: EntranceHost, connection: Connection): Promise<void> {
    const timeoutMs = ATTACH_TIMEOUT_MS
    const replies = await Replies.over(connection, this.#deps.logger)
    const announcer = await connection.openSender({ address: ADDRESS.control, timeoutMs })
    const heard: { receiver?: Receiver } = {}
    heard.receiver = await connection.openReceiver({
      address: ADDRESS.control,
      timeoutMs,
      onDelivery: delivery => {
        delivery.accept()
        heard.receiver?.grant(1)
        this.#heardTakeover(host, delivery)
      },
    })
    heard.receiver.grant(TAKEOVERS_GRANTED)
    const openings: { receiver?: Receiver } = {}
    openings.receiver = await connection.openReceiver({
      address: ADDRESS.open,
      timeoutMs,
      onDelivery: delivery => {
        const taken = { connection, delivery, replies, announcer, settled: () => openings.receiver?.grant(1) }
        if (this.#taking) host.opening(this.#openingOf(taken))
        else delivery.release()
      },
    })
    openings.receiver.grant(OPENINGS_GRANTED)
    const questions = await this.#takeQuestions(connection, replies)
    const links = [heard.receiver, openings.receiver, announcer, ...questions]
    // A router that closes one of these has forgotten what it was asked for: everything is asked for anew, on a connection of its own.
    for (const link of links) void link.closed.then(() => connection.close())
  }

  async #takeQuestions(connection: Connection, replies: Replies): Promise<Receiver[]> {
    if (!this.#deps.questions) return []
    const link = this.#deps.questions.link(connection, replies.answer.bind(replies))
    const options = { address: ADDRESS.identity, timeoutMs: ATTACH_TIMEOUT_MS, onDelivery: link.onDelivery }
    try {
      const receiver = await connection.openReceiver(options)
      link.onReceiver(receiver)
      return [receiver]
    } catch (cause) {
      // Data must not wait for it: its policy does not know the address yet.
      this.#deps.logger.warn({ url: this.url, reason: messageOf(cause) }, 'certificates are not renewed through this router')
      return []
    }
  }

  #openingOf(taken: {
    connection: Connection
    delivery: Delivery
    replies: Replies
    announcer: Sender
    settled: () => void
  }): OpeningRequest {
    const { connection, delivery, replies, announcer, settled } = taken
    const { body, properties } = delivery.message
    return {
      body,
      properties,
      connection,
      relayed: true,
      get alive() {
        return delivery.alive
      },
      prepare: session => this.#attach(connection, session, announcer),
      reply: reply => {
        replies.answer(delivery, reply)
        settled()
      },
      release: () => {
        delivery.release()
        settled()
      },
    }
  }

  async #attach(connection: Connection, session: GatewaySession, announcer: Sender): Promise<void> {
    const { gateway, session: number } = session
    const receiver = await connection.openReceiver({
      address: ADDRESS.data(gateway, number),
      timeoutMs: ATTACH_TIMEOUT_MS,
      onDelivery: delivery => session.take(delivery),
    })
    if (!session.open) {
      receiver.close()
      throw new HeadraceError('link_lost', `session ${number} of ${gateway} ended while it was opened`)
    }
    session.attach(receiver)
    // For tidiness: the gateway sends to nobody else any more. Without room nobody else is there to hear it.
    const body = encodeTakeover({ version: PROTOCOL_VERSION, gateway, session: number, core: this.#deps.name })
    if (announcer.room > 0) announcer.send({ body, properties: {} }, () => {})
  }

  #heardTakeover(host: EntranceHost, delivery: Delivery): void {
    const read = takeoverSchema.safeParse(parseJson(delivery.message.body))
    if (!read.success) this.#deps.logger.warn({}, 'an announcement on headrace/ctl cannot be read')
    else if (read.data.core !== this.#deps.name) host.takenOver(read.data.gateway, read.data.session)
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
