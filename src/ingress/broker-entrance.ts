import type { Connection, Delivery, Receiver } from '../amqp/amqp.ts'
import { QUEUE, QUEUE_CAPABILITIES } from '../amqp/messages.ts'
import type { Log } from '../log/log.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { StoredDelivery } from './at-hand.ts'
import { Dialler, type Upstream } from './dialler.ts'
import type { Entrance, EntranceHost } from './entrance.ts'
import type { QuestionDesk } from './identities.ts'
import type { OpeningRequest } from './openings.ts'
import { QueueReader } from './queue-reader.ts'
import type { Quotas } from './quotas.ts'
import { Replies } from './replies.ts'

/** How long a link may take to attach, ms. */
const ATTACH_TIMEOUT_MS = 5_000
const OPENINGS_GRANTED = 16
/** How often gateways are looked for whose queue is not read here, ms. */
const LOOK_FOR_GATEWAYS_EVERY_MS = 5_000
/** Queues that are attached to at once. */
const ATTACH_AT_ONCE_MAX = 32
/** Messages of one gateway held at once. */
const MESSAGES_PER_GATEWAY_MAX = 1_000
/** Bytes held of all gateways of a connection together, and of one. */
const BYTES_HELD_MAX = 256 * 2 ** 20
const BYTES_PER_GATEWAY = { min: 1 * 2 ** 20, max: 32 * 2 ** 20 }
/** What the core itself writes has names that begin so. */
const OWN_SOURCE = 'headrace-'

export interface BrokerEntranceDeps {
  readonly upstream: Upstream
  readonly log: Log
  readonly take: (gateway: string, delivery: StoredDelivery) => void
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** Where the core has an authority: questions about certificates are answered here too. */
  readonly questions?: QuestionDesk | undefined
  readonly quotas: Quotas
}

/**
 * Gateways come through a broker that stores what they send. Every gateway that the log knows has its queues read here, whether it has a session or
 * not; openings are asked and answered through the broker as well.
 */
export class BrokerEntrance implements Entrance {
  readonly #deps: BrokerEntranceDeps
  readonly #dialler: Dialler
  /** Of the connection that stands. */
  readonly #readers = new Map<string, QueueReader>()
  readonly #attaching = new Map<string, Promise<void>>()
  #timer: Timer | undefined
  #taking = true

  constructor(deps: BrokerEntranceDeps) {
    this.#deps = deps
    this.#dialler = new Dialler(deps)
  }

  get url(): string {
    return this.#dialler.url
  }

  get connected(): boolean {
    return this.#dialler.connected
  }

  /** The way back to a gateway, where its queue is read here. */
  reader(gateway: string): QueueReader | undefined {
    return this.#readers.get(gateway)
  }

  async start(host: EntranceHost): Promise<void> {
    this.#dialler.start(connection => this.#serve(host, connection))
  }

  stop(): void {
    this.#taking = false
    for (const reader of this.#readers.values()) reader.stopGranting()
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#dialler.close()
  }

  async #serve(host: EntranceHost, connection: Connection): Promise<void> {
    const replies = await Replies.over(connection, this.#deps.logger)
    const openings: { receiver?: Receiver } = {}
    openings.receiver = await connection.openReceiver({
      address: QUEUE.open,
      capabilities: QUEUE_CAPABILITIES,
      timeoutMs: ATTACH_TIMEOUT_MS,
      onDelivery: delivery => {
        if (this.#taking) host.opening(this.#openingOf(connection, delivery, replies, () => openings.receiver?.grant(1)))
        else delivery.release()
      },
    })
    openings.receiver.grant(OPENINGS_GRANTED)
    void openings.receiver.closed.then(() => connection.close())
    await this.#takeQuestions(connection, replies)
    void connection.closed.then(() => {
      this.#readers.clear()
      this.#attaching.clear()
      this.#timer?.cancel()
    })
    void this.#look(connection)
  }

  async #takeQuestions(connection: Connection, replies: Replies): Promise<void> {
    if (!this.#deps.questions) return
    const link = this.#deps.questions.link(connection, replies.answer.bind(replies))
    const options = { address: QUEUE.identity, capabilities: QUEUE_CAPABILITIES, timeoutMs: ATTACH_TIMEOUT_MS }
    try {
      const receiver = await connection.openReceiver({ ...options, onDelivery: link.onDelivery })
      link.onReceiver(receiver)
      void receiver.closed.then(() => connection.close())
    } catch (cause) {
      // Data must not wait for it: its policy does not know the address yet.
      this.#deps.logger.warn({ url: this.url, reason: messageOf(cause) }, 'certificates are not renewed through this broker')
    }
  }

  /** Nobody else has to answer what is answered late here, and what is released comes back at once: so each is taken, and asked again by its gateway. */
  #openingOf(connection: Connection, delivery: Delivery, replies: Replies, settled: () => void): OpeningRequest {
    const { body, properties, replyTo, correlationId } = delivery.message
    const done = () => {
      delivery.accept()
      settled()
    }
    return {
      body,
      properties,
      connection,
      relayed: true,
      get alive() {
        return delivery.alive
      },
      prepare: async session => {
        await this.#read(connection, session.gateway)
      },
      reply: reply => {
        if (replyTo !== undefined) replies.put(replyTo, reply, correlationId)
        done()
      },
      release: done,
    }
  }

  /** Attaches to the queues of gateways that have a claim, a few at once; what is refused now is tried again at the next look. */
  async #look(connection: Connection): Promise<void> {
    const { log, clock, logger } = this.#deps
    try {
      const claims = await log.claims()
      const gateways = new Set(
        claims.filter(({ source }) => !source.source.startsWith(OWN_SOURCE)).map(({ source }) => source.gateway),
      )
      const left = [...gateways].filter(gateway => !this.#readers.has(gateway))
      const work = async () => {
        for (let gateway = left.pop(); gateway !== undefined; gateway = left.pop()) await this.#read(connection, gateway)
      }
      await Promise.all(Array.from({ length: ATTACH_AT_ONCE_MAX }, work))
    } catch (cause) {
      logger.debug({ reason: messageOf(cause) }, 'the gateways cannot be read from the log now')
    }
    if (this.#taking && (await isOpen(connection)))
      this.#timer = clock.after(LOOK_FOR_GATEWAYS_EVERY_MS, () => void this.#look(connection), 'background')
  }

  /** Resolves when the gateway's queues are read, or cannot be now. */
  #read(connection: Connection, gateway: string): Promise<void> {
    if (this.#readers.has(gateway)) return Promise.resolve()
    const under = this.#attaching.get(gateway)
    if (under) return under
    const attaching = this.#attach(connection, gateway).finally(() => this.#attaching.delete(gateway))
    this.#attaching.set(gateway, attaching)
    return attaching
  }

  async #attach(connection: Connection, gateway: string): Promise<void> {
    const { take, quotas, clock, logger } = this.#deps
    try {
      const bounds = this.#bounds(this.#readers.size + 1)
      const throttle = { quota: quotas.of(gateway), clock }
      const reader = await QueueReader.attach(connection, gateway, { bounds, throttle }, delivery => take(gateway, delivery))
      this.#readers.set(gateway, reader)
      for (const other of this.#readers.values()) other.rebound(this.#bounds(this.#readers.size))
      void reader.closed.then(() => {
        reader.close()
        if (this.#readers.get(gateway) === reader) this.#readers.delete(gateway)
      })
    } catch (cause) {
      logger.debug({ gateway, reason: messageOf(cause) }, 'the queues of a gateway cannot be read now')
    }
  }

  #bounds(gateways: number) {
    const share = Math.floor(BYTES_HELD_MAX / gateways)
    const bytesMax = Math.max(BYTES_PER_GATEWAY.min, Math.min(BYTES_PER_GATEWAY.max, share))
    return { messagesMax: MESSAGES_PER_GATEWAY_MAX, bytesMax }
  }
}

async function isOpen(connection: Connection): Promise<boolean> {
  const open = Symbol('open')
  return (await Promise.race([connection.closed, Promise.resolve(open)])) === open
}
