import type { Connection, Delivery, Outcome, PeerError, Receiver, Sender } from '../amqp/amqp.ts'
import { ADDRESS, encodeOpenRequest, type OpenReply, type OpenRequest, openReplySchema } from '../amqp/messages.ts'
import { readJson } from '../amqp/read-json.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { LINK_LIMITS, type LinkLimits } from './limits.ts'

/** What became of a question. */
export type Answer =
  | { readonly kind: 'reply'; readonly reply: OpenReply }
  /** Whoever took it cannot answer it now: ask again later. */
  | { readonly kind: 'released' }
  | { readonly kind: 'rejected'; readonly error: PeerError | undefined }
  | { readonly kind: 'timeout' }
  /** The connection or one of the links is gone. */
  | { readonly kind: 'lost' }

interface Question {
  readonly request: OpenRequest
  readonly timeoutMs: number
  readonly answer: (answer: Answer) => void
  readonly timer: Timer
}

/** Where openings go, and how they prove whose they are where others stand between. */
export interface OpeningTarget {
  readonly address: string
  readonly capabilities?: readonly string[]
  /** Properties for a request with this body. */
  readonly proofOf?: ProofOf | undefined
  /** {@link LINK_LIMITS}, unless set. */
  readonly limits?: ChannelLimits | undefined
}
type ChannelLimits = Pick<LinkLimits, 'repliesGranted' | 'questionsOpen'>
export type ProofOf = (body: Buffer) => Readonly<Record<string, string>>

/** Asks on `headrace/open` and hears the replies on an address of its own. One for each connection; it ends with it. */
export class OpeningChannel {
  readonly #sender: Sender
  readonly #proofOf: ProofOf
  readonly #replyTo: string
  readonly #clock: Clock
  readonly #log: Logger
  readonly #questionsOpen: number
  /** By correlation id. */
  readonly #open = new Map<string, Question>()
  /** Questions for which there was no credit yet, by correlation id. */
  readonly #unsent: string[] = []
  #asked = 0
  #ended = false

  private constructor(
    sender: Sender,
    replyTo: string,
    { proofOf, questionsOpen }: { proofOf: ProofOf; questionsOpen: number },
    clock: Clock,
    log: Logger,
  ) {
    this.#sender = sender
    this.#questionsOpen = questionsOpen
    this.#proofOf = proofOf
    this.#replyTo = replyTo
    this.#clock = clock
    this.#log = log
    sender.onRoom(() => this.#send())
    void sender.closed.then(() => this.#end())
  }

  /** Attaches both links; rejects where the peer refuses one, or does not answer within `timeoutMs`. Unless said otherwise openings go to `headrace/open`. */
  static async attach(
    connection: Connection,
    clock: Clock,
    log: Logger,
    timeoutMs: number,
    { address, capabilities, proofOf = () => ({}), limits = LINK_LIMITS }: OpeningTarget = { address: ADDRESS.open },
  ): Promise<OpeningChannel> {
    let channel: OpeningChannel | undefined
    let receiver: Receiver | undefined
    const onDelivery = (delivery: Delivery) => {
      delivery.accept()
      receiver?.grant(1)
      if (channel) channel.#heard(delivery)
    }
    receiver = await connection.openReceiver({ address: null, timeoutMs, onDelivery })
    const sender = await connection.openSender({ address, ...(capabilities && { capabilities }), timeoutMs })
    channel = new OpeningChannel(sender, receiver.address, { proofOf, questionsOpen: limits.questionsOpen }, clock, log)
    void receiver.closed.then(() => channel.#end())
    receiver.grant(limits.repliesGranted)
    return channel
  }

  /** Asks, and resolves with what became of it after `timeoutMs` at the latest. Never rejects. */
  ask(request: OpenRequest, timeoutMs: number): Promise<Answer> {
    if (this.#ended) return Promise.resolve({ kind: 'lost' })
    if (this.#open.size >= this.#questionsOpen) return Promise.resolve({ kind: 'timeout' })
    return new Promise(resolve => {
      const id = `${request.session}.${this.#asked++}`
      const timer = this.#clock.after(timeoutMs, () => this.#answer(id, { kind: 'timeout' }))
      this.#open.set(id, { request, timeoutMs, answer: resolve, timer })
      this.#unsent.push(id)
      this.#send()
    })
  }

  #send(): void {
    while (this.#sender.room > 0 && !this.#ended) {
      const id = this.#unsent.shift()
      if (id === undefined) return
      const question = this.#open.get(id)
      if (!question) continue
      const body = encodeOpenRequest(question.request)
      // Nobody need answer it when nobody listens any more: brokers keep what is asked.
      const message = {
        body,
        properties: this.#proofOf(body),
        replyTo: this.#replyTo,
        correlationId: id,
        ttlMs: question.timeoutMs,
      }
      this.#sender.send(message, (outcome, error) => this.#settled(id, outcome, error))
    }
  }

  /** `accepted` says only that somebody will answer. */
  #settled(id: string, outcome: Outcome, error: PeerError | undefined): void {
    if (outcome === 'released' || outcome === 'modified') this.#answer(id, { kind: 'released' })
    if (outcome === 'rejected') this.#answer(id, { kind: 'rejected', error })
    if (outcome === 'lost') this.#answer(id, { kind: 'lost' })
  }

  #heard(delivery: Delivery): void {
    const id = delivery.message.correlationId ?? ''
    const question = this.#open.get(id)
    if (!question) {
      this.#log.debug({ correlationId: id }, 'a reply came after its question was given up')
      return
    }
    const message = readJson(openReplySchema, delivery.message.body)
    if ('wrong' in message) {
      this.#log.warn({ reason: message.wrong }, 'a reply to the opening cannot be read')
      this.#answer(id, {
        kind: 'rejected',
        error: { condition: 'malformed', description: `The core's reply cannot be read: ${message.wrong}` },
      })
      return
    }
    const reply = message.read
    if (!('error' in reply) && reply.session !== question.request.session)
      this.#log.debug({ session: reply.session }, 'a reply is about another session')
    else this.#answer(id, { kind: 'reply', reply })
  }

  #answer(id: string, answer: Answer): void {
    const question = this.#open.get(id)
    if (!question) return
    this.#open.delete(id)
    question.timer.cancel()
    question.answer(answer)
  }

  #end(): void {
    this.#ended = true
    for (const id of [...this.#open.keys()]) this.#answer(id, { kind: 'lost' })
  }
}
