import type { AttachRequest, Connection, Delivery, Listener, ListenHandlers, PeerError, Receiver, Sender } from '../amqp/amqp.ts'
import { ADDRESS, parseDataAddress, QUEUE, REFUSAL } from '../amqp/messages.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { SparingLog } from '../runtime/sparing-log.ts'
import { CertificateEnds } from './certificate-ends.ts'
import type { Entrance, EntranceHost } from './entrance.ts'
import type { GatewaySession } from './gateway-session.ts'
import type { Identities, QuestionDesk } from './identities.ts'
import type { IdentityRule } from './identity.ts'
import type { IngressLimits } from './limits.ts'
import type { Quotas } from './quotas.ts'
import { ReplyBox } from './replies.ts'

/** Connections that a gateway may have where no quota says otherwise; it uses one, and a few while its network breaks again and again. */
const CONNECTIONS_PER_GATEWAY = 16
/** AMQP 1.0 part 2, 2.8.15. */
const UNAUTHORIZED = 'amqp:unauthorized-access'
/** AMQP 1.0 part 2, 2.8.16: the peer may come again. */
const FORCED = 'amqp:connection:forced'

export interface DirectEntranceDeps {
  readonly listen: (handlers: ListenHandlers) => Promise<Listener>
  readonly mayWrite: IdentityRule
  /** Where the core has an authority: who asks for certificates is answered, and who is revoked goes. */
  readonly quotas: Quotas
  readonly identities?: { readonly known: Identities; readonly desk: QuestionDesk } | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: IngressLimits
}

type SenderAttached = ReturnType<ListenHandlers['onSenderAttach']>
type ReceiverAttached = ReturnType<ListenHandlers['onReceiverAttach']>

/** Gateways connect to the ingress itself: it takes openings, and the data link of the session that it has just opened on the same connection. */
export class DirectEntrance implements Entrance {
  readonly #deps: DirectEntranceDeps
  readonly #replies = new WeakMap<Connection, Map<string, ReplyBox>>()
  readonly #connections = new Set<Connection>()
  readonly #refusals: SparingLog
  readonly #ends: CertificateEnds
  #listener: Listener | undefined
  #taking = true

  constructor(deps: DirectEntranceDeps) {
    this.#deps = deps
    this.#refusals = new SparingLog(deps.logger, deps.clock)
    this.#ends = new CertificateEnds(deps.clock, (connection, endedMs) => this.#ended(connection, endedMs))
  }

  get url(): string | undefined {
    return this.#listener?.url
  }

  async start(host: EntranceHost): Promise<void> {
    this.#deps.identities?.known.onChange(() => this.#sendAwayBarred())
    this.#listener = await this.#deps.listen({
      onConnection: connection => this.#connected(connection),
      onSenderAttach: request => (this.#taking ? this.#senderAttached(host, request) : stopping()),
      onReceiverAttach: request => (this.#taking ? this.#receiverAttached(request) : stopping()),
    })
  }

  stop(): void {
    this.#taking = false
  }

  async close(): Promise<void> {
    this.#ends.close()
    for (const connection of this.#connections) connection.close()
    await this.#listener?.close()
  }

  /** Shows another certificate to whoever connects from now on. */
  renewTls(material: { cert: string; key: string; ca: string }): void {
    this.#listener?.renewTls(material)
  }

  #connected(connection: Connection): void {
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
    this.#sendAway(connection)
    this.#keepWithinQuota(connection)
    this.#ends.watch(connection)
  }

  /** It may have a newer one already, or come to renew this one: nobody has to be told on the gateway for that. */
  #ended(connection: Connection, endedMs: number): void {
    const { logger, identities } = this.#deps
    const ended = new Date(endedMs).toISOString()
    const advice = identities
      ? 'it comes again by itself, with the next one or to ask for it; where it does not, enrol it anew (headrace ca token)'
      : 'it comes again by itself once it has another one: see to it that its files are renewed'
    const { name } = connection.identity
    logger.warn(
      { gateway: name, remote: connection.remote, ended },
      `the certificate of a gateway has ended, and its link with it: ${advice}`,
    )
    connection.close({
      condition: FORCED,
      description: `the certificate ended on ${ended}: come again with the next one, or to ask for it`,
    })
  }

  /** Its oldest connection is the one that it is least likely to use: a gateway whose network broke has connected anew. */
  #keepWithinQuota({ identity }: Connection): void {
    const { method, name } = identity
    if (method !== 'certificate' || name === undefined || !this.#deps.mayWrite(identity, name)) return
    const max = this.#deps.quotas.of(name).limits.connections ?? CONNECTIONS_PER_GATEWAY
    const own = [...this.#connections].filter(each => each.identity.method === 'certificate' && each.identity.name === name)
    for (const connection of own.slice(0, -max)) {
      this.#deps.logger.warn(
        { gateway: name, remote: connection.remote },
        'the oldest connection of a gateway goes: it has more than it may',
      )
      this.#connections.delete(connection)
      connection.close({ condition: 'amqp:resource-limit-exceeded', description: `${name} may have ${max} connections` })
    }
  }

  #sendAwayBarred(): void {
    for (const connection of this.#connections) this.#sendAway(connection)
  }

  #sendAway(connection: Connection): void {
    const barred = this.#deps.identities?.known.barred(connection.identity)
    if (barred === undefined) return
    const { name } = connection.identity
    this.#deps.logger.warn({ gateway: name, remote: connection.remote, reason: barred }, 'a gateway is sent away')
    connection.close({ condition: UNAUTHORIZED, description: barred })
  }

  #senderAttached(host: EntranceHost, { connection, address }: AttachRequest): SenderAttached {
    const { identities } = this.#deps
    // The second is what gateways know that usually speak with a broker.
    if ((address === ADDRESS.identity || address === QUEUE.identity) && identities) {
      return identities.desk.link(connection, (delivery, answer) => this.#reply(connection, delivery, answer))
    }
    if (connection.identity.method === 'stranger')
      return refuse(UNAUTHORIZED, `without a certificate that is good, one may only ask for one at ${ADDRESS.identity}`)
    const barred = identities?.known.barred(connection.identity)
    if (barred !== undefined) return refuse(UNAUTHORIZED, barred)
    if (address === ADDRESS.open) return this.#openingLink(host, connection)
    const data = parseDataAddress(address ?? '')
    if (!data) return refuse('amqp:not-found', `there is nothing to be sent to at ${address}`)
    if (!this.#deps.mayWrite(connection.identity, data.gateway)) {
      const { identity, remote } = connection
      this.#refusals.warn({ gateway: data.gateway, by: identity.name, remote }, 'a data link in the name of another is refused')
      return refuse(REFUSAL.notYours, `this peer may not write as ${data.gateway}`)
    }
    const session = host.newest(data.gateway)
    if (!isHeld(session, data.session, connection)) {
      return refuse(
        REFUSAL.sessionNotNewest,
        `session ${data.session} of ${data.gateway} is not the one that was opened on this connection last`,
      )
    }
    return { onDelivery: delivery => session.take(delivery), onReceiver: receiver => session.attach(receiver) }
  }

  #openingLink(host: EntranceHost, connection: Connection): SenderAttached {
    let receiver: Receiver | undefined
    const onDelivery = (delivery: Delivery) => host.opening(this.#openingOf(connection, delivery, () => receiver?.grant(1)))
    const onReceiver = (attached: Receiver) => {
      receiver = attached
      attached.grant(this.#deps.limits.openingsPerConnection)
    }
    return { onDelivery, onReceiver }
  }

  #openingOf(connection: Connection, delivery: Delivery, settled: () => void) {
    const { body, properties } = delivery.message
    return {
      body,
      properties,
      connection,
      get alive() {
        return delivery.alive
      },
      // The gateway attaches its link once it has the reply.
      prepare: async () => {},
      reply: (reply: Buffer) => {
        this.#reply(connection, delivery, reply)
        settled()
      },
      release: () => {
        delivery.release()
        settled()
      },
    }
  }

  #reply(connection: Connection, delivery: Delivery, body: Buffer): void {
    const { replyTo, correlationId } = delivery.message
    const box = this.#replies.get(connection)?.get(replyTo ?? '')
    if (box) {
      box.put({ body, correlationId })
      delivery.accept()
    } else
      delivery.reject({ condition: 'amqp:precondition-failed', description: `nothing is attached at the reply-to ${replyTo}` })
  }

  #receiverAttached({ connection, address }: AttachRequest): ReceiverAttached {
    if (address !== null) return refuse('amqp:not-found', `there is nothing to be received at ${address}`)
    const onSender = (sender: Sender) => {
      const boxes = this.#replies.get(connection) ?? new Map<string, ReplyBox>()
      this.#replies.set(connection, boxes)
      boxes.set(sender.address, new ReplyBox(sender, this.#deps.limits.repliesWaiting))
      void sender.closed.then(() => boxes.delete(sender.address))
    }
    return { onSender }
  }
}

function isHeld(session: GatewaySession | undefined, number: number, connection: Connection): session is GatewaySession {
  return session?.session === number && session.open && !session.attached && session.connection === connection
}

function refuse(condition: string, description: string): { refuse: PeerError } {
  return { refuse: { condition, description } }
}

function stopping(): { refuse: PeerError } {
  return refuse(FORCED, 'the core is stopping')
}
