import type { Connection, Delivery, Outcome, PeerError, PeerIdentity, Sender } from '../../src/amqp/amqp.ts'
import {
  ADDRESS,
  encodeOpenRequest,
  type OpenReply,
  type OpenRequest,
  openReplySchema,
  PROTOCOL_VERSION,
} from '../../src/amqp/messages.ts'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { World } from '../link/world.ts'

/** A gateway by hand: says what the test wants, as a stranger's implementation of docs/protocol.md might. */
export class Peer {
  readonly #world: World
  readonly connection: Connection
  /** What became of the latest request, once it is known. */
  lastOutcome: Outcome | undefined
  readonly #replies: OpenReply[]
  readonly #opener: Sender
  readonly #replyTo: string

  private constructor(world: World, connection: Connection, replies: OpenReply[], opener: Sender, replyTo: string) {
    this.#world = world
    this.connection = connection
    this.#replies = replies
    this.#opener = opener
    this.#replyTo = replyTo
  }

  static async connect(world: World, identity?: PeerIdentity): Promise<Peer> {
    const connection = await world.network.dial('core-1', identity)
    const replies: OpenReply[] = []
    const onDelivery = (delivery: Delivery) => {
      replies.push(openReplySchema.parse(JSON.parse(delivery.message.body.toString())))
      delivery.accept()
    }
    const receiver = await soon(world, connection.openReceiver({ address: null, timeoutMs: 1_000, onDelivery }))
    const opener = await soon(world, connection.openSender({ address: ADDRESS.open, timeoutMs: 1_000 }))
    receiver.grant(100)
    await world.clock.pass(10)
    return new Peer(world, connection, replies, opener, receiver.address)
  }

  /** Asks, and gives the reply, or what became of the request where there was none. */
  async ask(request: Partial<OpenRequest>, body?: Buffer): Promise<OpenReply | Outcome | undefined> {
    const whole: OpenRequest = {
      version: PROTOCOL_VERSION,
      gateway: 'gw-1',
      instance: 'instance-1',
      session: 1,
      sources: [{ source: 'source-1', topic: 'topic-1' }],
      ...request,
    }
    let outcome: Outcome | undefined
    this.lastOutcome = undefined
    const message = { body: body ?? encodeOpenRequest(whole), properties: {}, replyTo: this.#replyTo, correlationId: 'x' }
    this.#opener.send(message, told => {
      outcome = told
      this.lastOutcome = told
    })
    await this.#world.clock.pass(50)
    return this.#replies.shift() ?? outcome
  }

  /** The data link of a session, with credit. */
  async data(session: number, gateway = 'gw-1'): Promise<Sender> {
    const sender = await soon(
      this.#world,
      this.connection.openSender({ address: ADDRESS.data(gateway, session), timeoutMs: 1_000 }),
    )
    await this.#world.clock.pass(10)
    return sender
  }
}

export async function soon<T>(world: World, promise: Promise<T>): Promise<T> {
  const settled = promise.catch(() => undefined)
  await world.clock.pass(20)
  await settled
  return promise
}

export async function start(proof: 'required' | 'optional' = 'optional') {
  const world = new World(3)
  await world.startIngress('core-1', { mayWrite: identityRule(proof) })
  return world
}

export function send(sender: Sender, batch: CutBatch, changes: Record<string, string | number> = {}) {
  const told: { outcome?: Outcome; error?: PeerError | undefined } = {}
  const properties = { gateway: 'gw-1', session: 1, source: 'source-1', sequence: batch.sequence, count: batch.count, ...changes }
  sender.send({ body: batch.bytes, properties }, (outcome, error) => Object.assign(told, { outcome, error }))
  return told
}
