import type { Connection, Delivery, Sender } from '../amqp/amqp.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** Those of a whole network of gateways, behind one router or broker. */
const WAITING_OF_ALL_MAX = 1_000
const ATTACH_TIMEOUT_MS = 5_000

interface Reply {
  readonly body: Buffer
  readonly correlationId: string | undefined
  readonly to?: string
}

/** Replies over one link, kept until the peer grants credit. One that is lost is asked for again by the gateway. */
export class ReplyBox {
  readonly #sender: Sender
  readonly #max: number
  readonly #waiting: Reply[] = []

  constructor(sender: Sender, max: number) {
    this.#sender = sender
    this.#max = max
    sender.onRoom(() => this.#send())
  }

  put(reply: Reply): void {
    if (this.#waiting.length >= this.#max) this.#waiting.shift()
    this.#waiting.push(reply)
    this.#send()
  }

  #send(): void {
    while (this.#sender.room > 0) {
      const reply = this.#waiting.shift()
      if (!reply) return
      const { body, correlationId, to } = reply
      const message = {
        body,
        properties: {},
        ...(to !== undefined && { to }),
        ...(correlationId !== undefined && { correlationId }),
      }
      this.#sender.send(message, () => {})
    }
  }
}

/**
 * Replies through a router or broker: over one link to the anonymous terminus where the peer has one, and over a link for each reply where it has
 * not: that is an extension of AMQP 1.0.
 */
export class Replies {
  readonly #connection: Connection
  readonly #anonymous: ReplyBox | undefined
  readonly #logger: Logger

  private constructor(connection: Connection, anonymous: ReplyBox | undefined, logger: Logger) {
    this.#connection = connection
    this.#anonymous = anonymous
    this.#logger = logger
  }

  static async over(connection: Connection, logger: Logger): Promise<Replies> {
    try {
      const sender = await connection.openSender({ address: null, timeoutMs: ATTACH_TIMEOUT_MS })
      return new Replies(connection, new ReplyBox(sender, WAITING_OF_ALL_MAX), logger)
    } catch (cause) {
      logger.info({ reason: messageOf(cause) }, 'no anonymous terminus: each reply has a link of its own')
      return new Replies(connection, undefined, logger)
    }
  }

  /** Answers a delivery, and takes it; one that names no reply-to is refused. */
  answer(delivery: Delivery, body: Buffer): void {
    const { replyTo, correlationId } = delivery.message
    if (replyTo === undefined) delivery.reject({ condition: 'amqp:precondition-failed', description: 'there is no reply-to' })
    else {
      this.put(replyTo, body, correlationId)
      delivery.accept()
    }
  }

  put(to: string, body: Buffer, correlationId: string | undefined): void {
    if (this.#anonymous) this.#anonymous.put({ body, correlationId, to })
    else void this.#sendAlone(to, body, correlationId)
  }

  async #sendAlone(to: string, body: Buffer, correlationId: string | undefined): Promise<void> {
    try {
      const sender = await this.#connection.openSender({ address: to, timeoutMs: ATTACH_TIMEOUT_MS })
      const message = { body, properties: {}, to, ...(correlationId !== undefined && { correlationId }) }
      const send = () => sender.room > 0 && sender.send(message, () => sender.close())
      if (!send()) sender.onRoom(send)
    } catch (cause) {
      this.#logger.debug({ to, reason: messageOf(cause) }, 'a reply cannot be sent: its gateway asks again')
    }
  }
}
