import type {
  Connection,
  Delivery,
  Listener,
  ListenHandlers,
  Message,
  Outcome,
  PeerError,
  PeerIdentity,
  Receiver,
  Sender,
} from '../../src/amqp/amqp.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'

const GONE: PeerError = { condition: 'amqp:connection:forced', description: 'the connection is gone' }
const ANONYMOUS: PeerIdentity = { method: 'anonymous', name: undefined }
const UNSETTLED_MAX = 1_500

/**
 * The AMQP contract in memory, for deterministic schedules: what is sent takes its time, in order, each way; a connection may be cut at any moment,
 * with all that is on its way; and a listener may freeze, as a stopped process does: what is sent to it waits, and it is not told of what ends.
 */
export class MemoryNetwork {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #wires = new Set<Wire>()
  readonly #listeners = new Map<string, ListenHandlers>()
  readonly #frozen = new Set<string>()
  #dials = 0
  /** What comes over a wire takes up to so long, ms. */
  latencyMs = 2
  /** Asked for each thing that is about to travel; true cuts its connection instead, and it is lost. */
  cuts: (way: Way) => boolean = () => false
  /** Asked for each message that is about to travel; true turns a bit of its body over. */
  hurts: (message: Message) => boolean = () => false

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  /** As `listen`; one listener at a name. */
  async listen(handlers: ListenHandlers, name = 'core-1'): Promise<Listener> {
    this.#listeners.set(name, handlers)
    const close = async () => {
      if (this.#listeners.get(name) === handlers) this.#listeners.delete(name)
    }
    return { url: `memory://${name}`, renewTls: () => {}, close }
  }

  /** As `dial`; rejects where nobody listens. */
  async dial(name = 'core-1', identity: PeerIdentity = ANONYMOUS): Promise<Connection> {
    const handlers = this.#listeners.get(name)
    if (!handlers || this.#frozen.has(name)) throw new HeadraceError('link_lost', `${name} does not answer`)
    const peer = `peer-${this.#dials++}`
    const wire = new Wire({
      clock: this.#clock,
      random: this.#random,
      latencyMs: this.latencyMs,
      listener: name,
      peer,
      identity,
      handlers,
      cuts: way => this.cuts(way),
      hurts: message => this.hurts(message),
    })
    this.#wires.add(wire)
    void wire.core.closed.then(() => this.#wires.delete(wire))
    handlers.onConnection(wire.core)
    return wire.gateway
  }

  /** Cuts every connection, or those to one listener: what is on its way is lost. */
  cut(listener?: string): void {
    for (const wire of [...this.#wires]) if (listener === undefined || wire.listener === listener) wire.cut(GONE)
  }

  /** The process that listens there is gone. */
  vanish(name: string): void {
    this.#listeners.delete(name)
    this.#frozen.delete(name)
    this.cut(name)
  }

  freeze(name: string): void {
    this.#frozen.add(name)
    for (const wire of this.#wires) if (wire.listener === name) wire.freeze()
  }

  /** It wakes, and first of all it sees what was sent to it meanwhile. */
  thaw(name: string): void {
    this.#frozen.delete(name)
    for (const wire of [...this.#wires]) if (wire.listener === name) wire.thaw()
  }
}

type Side = 'gateway' | 'core'
export type Way = 'up' | 'down'

interface WireOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly latencyMs: number
  readonly listener: string
  readonly peer: string
  readonly identity: PeerIdentity
  readonly handlers: ListenHandlers
  readonly cuts: (way: Way) => boolean
  readonly hurts: (message: Message) => boolean
}

/** One connection: two ends, and what is on its way between them. */
class Wire {
  readonly gateway: End
  readonly core: End
  readonly links = new Set<Link>()
  readonly #options: WireOptions
  readonly #lastAtMs = { up: 0, down: 0 }
  /** What arrived at, or left, a frozen listener. */
  readonly #held: { way: Way; arrive: () => void }[] = []
  readonly #over = { gateway: false, core: false }
  #frozen = false
  #dynamic = 0

  constructor(options: WireOptions) {
    this.#options = options
    this.gateway = new End(this, 'gateway', options.listener, ANONYMOUS, options.handlers)
    this.core = new End(this, 'core', options.peer, options.identity, undefined)
  }

  get listener(): string {
    return this.#options.listener
  }

  isOver(side: Side): boolean {
    return this.#over[side]
  }

  nextDynamic(): string {
    return `reply-${this.#dynamic++}`
  }

  /** Something travels; what was sent first arrives first. */
  carry(way: Way, arrive: () => void): void {
    const { clock, random, latencyMs, cuts } = this.#options
    if (cuts(way)) {
      // Whoever is sending is in the middle of it.
      clock.after(0, () => this.cut(GONE))
      return
    }
    const now = clock.monotonicMs()
    const atMs = Math.max(this.#lastAtMs[way], now + latencyMs * random())
    this.#lastAtMs[way] = atMs
    clock.after(atMs - now, () => this.#arrived(way, arrive))
  }

  /** A message as it arrives. */
  arriving(message: Message): Message {
    if (!this.#options.hurts(message)) return message
    const body = Buffer.from(message.body)
    const at = body.length - 1
    body[at] = (body[at] ?? 0) ^ 1
    return { ...message, body }
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
    for (const { way, arrive } of this.#held.splice(0)) this.#arrived(way, arrive)
    if (this.#over.gateway) this.#end('core', GONE)
  }

  cut(error: PeerError | undefined): void {
    this.#end('gateway', error)
    if (!this.#frozen) this.#end('core', error)
  }

  #arrived(way: Way, arrive: () => void): void {
    if (this.#frozen) this.#held.push({ way, arrive })
    else if (!this.#over[way === 'up' ? 'core' : 'gateway']) arrive()
  }

  #end(side: Side, error: PeerError | undefined): void {
    if (this.#over[side]) return
    this.#over[side] = true
    for (const link of this.links) link.end(side, error)
    this[side].ended(error)
  }
}

class End implements Connection {
  readonly remote: string
  readonly identity: PeerIdentity
  readonly closed: Promise<PeerError | undefined>
  readonly #wire: Wire
  readonly #side: Side
  readonly #handlers: ListenHandlers | undefined
  readonly #closed = Promise.withResolvers<PeerError | undefined>()

  constructor(wire: Wire, side: Side, remote: string, identity: PeerIdentity, handlers: ListenHandlers | undefined) {
    this.#wire = wire
    this.#side = side
    this.remote = remote
    this.identity = identity
    this.#handlers = handlers
    this.closed = this.#closed.promise
  }

  openSender({ address }: { address: string | null }): Promise<Sender> {
    return this.#attach((handlers, attached, refused) => {
      const answer = handlers.onSenderAttach({ connection: this.#wire.core, address })
      if ('refuse' in answer) return refused(answer.refuse)
      const link = new Link(this.#wire, address ?? '', 'up', answer.onDelivery)
      attached(() => link.sender)
      answer.onReceiver(link.receiver)
    })
  }

  openReceiver(options: { address: string | null; onDelivery: (delivery: Delivery) => void }): Promise<Receiver> {
    return this.#attach((handlers, attached, refused) => {
      const answer = handlers.onReceiverAttach({ connection: this.#wire.core, address: options.address })
      if ('refuse' in answer) return refused(answer.refuse)
      const link = new Link(this.#wire, options.address ?? this.#wire.nextDynamic(), 'down', options.onDelivery)
      answer.onSender(link.sender)
      attached(() => link.receiver)
    })
  }

  close(error?: PeerError): void {
    this.#wire.cut(error)
  }

  destroy(): void {
    this.#wire.cut(undefined)
  }

  ended(error: PeerError | undefined): void {
    this.#closed.resolve(error)
  }

  #attach<L>(
    ask: (handlers: ListenHandlers, attached: (link: () => L) => void, refused: (error: PeerError) => void) => void,
  ): Promise<L> {
    const handlers = this.#handlers
    if (!handlers) throw new Error('only the gateway opens links here')
    if (this.#wire.isOver(this.#side)) return Promise.reject(new HeadraceError('link_lost', 'the connection is gone'))
    return new Promise((resolve, reject) => {
      void this.closed.then(() => reject(new HeadraceError('link_lost', 'the connection is gone')))
      this.#wire.carry('up', () =>
        ask(
          handlers,
          link => this.#wire.carry('down', () => resolve(link())),
          error => this.#wire.carry('down', () => reject(new HeadraceError('link_refused', error.description, { cause: error }))),
        ),
      )
    })
  }
}

/** Both ends of one link. `way` is the way that messages go. */
class Link {
  readonly sender: Sender
  readonly receiver: Receiver
  readonly #wire: Wire
  readonly #way: Way
  readonly #back: Way
  readonly #onDelivery: (delivery: Delivery) => void
  readonly #senderClosed = Promise.withResolvers<PeerError | undefined>()
  readonly #receiverClosed = Promise.withResolvers<PeerError | undefined>()
  readonly #unsettled = new Map<number, (outcome: Outcome, error?: PeerError) => void>()
  readonly #roomCalls: (() => void)[] = []
  #credit = 0
  #ids = 0
  #senderEnded = false
  #receiverEnded = false

  constructor(wire: Wire, address: string, way: Way, onDelivery: (delivery: Delivery) => void) {
    this.#wire = wire
    this.#way = way
    this.#back = way === 'up' ? 'down' : 'up'
    this.#onDelivery = onDelivery
    this.sender = this.#makeSender(address)
    this.receiver = this.#makeReceiver(address)
    wire.links.add(this)
  }

  /** One side's end of it is gone. */
  end(side: Side, error: PeerError | undefined): void {
    if ((side === 'gateway') === (this.#way === 'up')) this.#endSender(error)
    else this.#endReceiver(error)
  }

  #makeSender(address: string): Sender {
    const link = this
    return {
      address,
      closed: this.#senderClosed.promise,
      get room() {
        return link.#room()
      },
      send: (message, settled) => this.#send(message, settled),
      // Who receives has the very same bytes.
      letGo: () => {},
      onRoom: call => this.#roomCalls.push(call),
      close: () => {
        this.#endSender(undefined)
        this.#wire.carry(this.#way, () => this.#endReceiver(undefined))
      },
    }
  }

  #makeReceiver(address: string): Receiver {
    return {
      address,
      closed: this.#receiverClosed.promise,
      grant: messages => this.#wire.carry(this.#back, () => this.#granted(messages)),
      close: error => {
        this.#endReceiver(error)
        this.#wire.carry(this.#back, () => this.#endSender(error))
      },
    }
  }

  #room(): number {
    return this.#senderEnded ? 0 : Math.min(this.#credit, UNSETTLED_MAX - this.#unsettled.size)
  }

  #granted(messages: number): void {
    const before = this.#room()
    this.#credit += messages
    if (before <= 0 && this.#room() > 0) for (const call of this.#roomCalls) call()
  }

  #send(message: Message, settled: (outcome: Outcome, error?: PeerError) => void): void {
    if (this.#room() <= 0) throw new Error('sent without room')
    this.#credit -= 1
    const id = this.#ids++
    this.#unsettled.set(id, settled)
    const arriving = this.#wire.arriving(message)
    this.#wire.carry(this.#way, () => !this.#receiverEnded && this.#onDelivery(this.#deliveryOf(id, arriving)))
  }

  #deliveryOf(id: number, message: Message): Delivery {
    let told = false
    const tell = (outcome: Outcome, error?: PeerError) => {
      if (told) throw new Error('an outcome is told once')
      told = true
      if (!this.#receiverEnded) this.#wire.carry(this.#back, () => this.#settle(id, outcome, error))
    }
    const link = this
    return {
      message,
      accept: () => tell('accepted'),
      release: () => tell('released'),
      modify: () => tell('modified'),
      reject: error => tell('rejected', error),
      get alive() {
        return !link.#receiverEnded
      },
    }
  }

  #settle(id: number, outcome: Outcome, error: PeerError | undefined): void {
    const settled = this.#unsettled.get(id)
    const before = this.#room()
    this.#unsettled.delete(id)
    settled?.(outcome, error)
    if (before <= 0 && this.#room() > 0) for (const call of this.#roomCalls) call()
  }

  #endSender(error: PeerError | undefined): void {
    if (this.#senderEnded) return
    this.#senderEnded = true
    const lost = [...this.#unsettled.values()]
    this.#unsettled.clear()
    for (const settled of lost) settled('lost')
    this.#senderClosed.resolve(error)
  }

  #endReceiver(error: PeerError | undefined): void {
    if (this.#receiverEnded) return
    this.#receiverEnded = true
    this.#receiverClosed.resolve(error)
  }
}
