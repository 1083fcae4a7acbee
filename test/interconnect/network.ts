import { createRequire } from 'node:module'
import type { Server, Socket } from 'node:net'
import type { Connection, Delivery, Receiver, Sender, Session } from 'rhea'
import { acceptSocket, createContainer, markDisconnected, offerExternal } from '../../src/amqp/rhea-internals.ts'
import { mendSession, Unfinished } from '../../src/amqp/rhea-sessions.ts'
import type { SeededRandom } from '../support/random.ts'
import { type Door, OPEN_DOOR, type User } from './network-door.ts'

const require = createRequire(import.meta.url)
const frames = require('rhea/lib/frames.js') as { transfer(fields: object): { channel: number; payload?: Buffer } }

/** Deliveries that a sender may have on its way to an address, as routers grant them. */
const CAPACITY = 250
/** What goes into one transfer frame: within what every peer here offers. */
const TRANSFER_BYTES_MAX = 60_000
/** Silence after which a peer is taken for dead is twice this, ms. */
const IDLE_TIMEOUT_MS = 2_000
const FORBIDDEN = { condition: 'amqp:unauthorized-access', description: 'the policy does not let this user attach there' }
/** AMQP 1.0 part 3, 3.4: the outcomes. */
const OUTCOME = { accepted: 0x24, rejected: 0x25, released: 0x26, modified: 0x27 } as const

/** What routers may do to what passes, as shares of all messages. */
export interface Mischief {
  /** Comes in several transfer frames. */
  readonly split: number
  /** Is begun, aborted, and then comes whole as another delivery. */
  readonly aborted: number
  /** Is given back at once. */
  readonly released: number
  readonly modified: number
}
const GENTLE: Mischief = { split: 0, aborted: 0, released: 0, modified: 0 }

interface SessionInside {
  output(frame: object, payload?: Buffer): void
  on_transfer(frame: { performative: { handle: number; more?: boolean; aborted?: boolean }; payload?: Buffer }): void
  on_disposition(frame: { performative: Disposition }): void
}

interface Disposition {
  readonly role: boolean
  readonly first: number
  readonly last?: number
  readonly settled?: boolean
  readonly state?: { readonly descriptor?: { readonly value?: unknown } }
}

interface Upstream {
  readonly receiver: Receiver
  readonly user: User | undefined
  readonly address: string | undefined
  /** Granted and not yet come. */
  granted: number
  /** Came, and has no outcome. */
  readonly open: Set<Passing>
}

interface Downstream {
  readonly sender: Sender
  readonly address: string
  readonly multicast: boolean
  readonly open: Map<number, Passing>
}

interface Passing {
  readonly from: Upstream
  readonly delivery: Delivery
}

interface ChannelState {
  nextDeliveryId: number
  readonly byId: Map<number, { readonly passing: Passing; readonly link: Downstream }>
}

/**
 * A network of AMQP 1.0 routers, as its peers see it: no queue, credit only where somebody receives, delivery ids of its own on every session,
 * outcomes passed back from end to end, what a dead receiver held given back in any order, anycast, multicast, dynamic addresses, the anonymous
 * terminus. Written from the AMQP specification; what it may do beyond being correct is {@link Mischief}.
 */
export class Network {
  readonly port: number
  readonly #random: SeededRandom
  readonly #sockets = new Map<Socket, Connection>()
  readonly #up = new Set<Upstream>()
  readonly #down = new Set<Downstream>()
  readonly #channels = new WeakMap<Session, ChannelState>()
  readonly #door: Door
  #server: Server | undefined
  #dynamic = 0
  #turn = 0
  mischief: Mischief = GENTLE
  /** How often each thing happened. */
  readonly counts = { passed: 0, split: 0, aborted: 0, released: 0, modified: 0, unreachable: 0, givenBack: 0 }

  constructor(port: number, random: SeededRandom, door: Door = OPEN_DOOR) {
    this.port = port
    this.#random = random
    this.#door = door
  }

  get url(): string {
    return `${this.#door.scheme}://127.0.0.1:${this.port}`
  }

  /** Senders that wait at an address, with or without credit. */
  senders(address: string): number {
    return [...this.#up].filter(link => link.address === address).length
  }

  /** Receivers at addresses that begin so. */
  receivers(prefix: string): number {
    return [...this.#down].filter(link => link.address.startsWith(prefix)).length
  }

  async start(): Promise<void> {
    const server = this.#door.listen(this.port, socket => this.#connected(socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => server.once('error', reject).once('listening', resolve))
  }

  /** Ends as kill -9 ends a router: every connection without a word, and nothing is remembered. */
  async kill(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server?.close(() => resolve()))
    this.dropConnections()
    this.#up.clear()
    this.#down.clear()
    await closed
  }

  dropConnections(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  #connected(socket: Socket): void {
    const user = this.#door.userOf(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    const container = createContainer('network')
    container.on('error', () => {})
    if (user !== undefined) offerExternal(container)
    const connection = container.create_connection({
      idle_time_out: IDLE_TIMEOUT_MS,
      max_frame_size: 65_536,
      reconnect: false,
      receiver_options: { autoaccept: false, autosettle: false, credit_window: 0 },
      sender_options: { autosettle: false },
    } as Parameters<typeof container.create_connection>[0])
    this.#sockets.set(socket, connection)
    for (const event of ['error', 'protocol_error', 'connection_error', 'session_error', 'receiver_error', 'sender_error'])
      connection.on(event as 'error', () => {})
    connection.on('disconnected', () => {})
    connection.on('connection_close', () => setImmediate(() => socket.destroy()))
    connection.on('session_open', ({ session }) => session && this.#sessionOpened(session))
    connection.on('receiver_open', ({ receiver }) => receiver && this.#senderAttached(receiver, user))
    connection.on('sender_open', ({ sender }) => sender && this.#receiverAttached(sender, user))
    socket.once('close', () => {
      this.#sockets.delete(socket)
      markDisconnected(connection)
      for (const link of this.#up) if (link.receiver.connection === connection) this.#senderGone(link)
      for (const link of this.#down) if (link.sender.connection === connection) this.#receiverGone(link)
    })
    acceptSocket(connection, socket)
  }

  /** Outcomes come for deliveries that this network numbered itself. */
  #sessionOpened(session: Session): void {
    mendSession(session, new Unfinished())
    const inside = session as unknown as SessionInside
    const onDisposition = inside.on_disposition
    inside.on_disposition = frame => {
      if (frame.performative.role) this.#told(session, frame.performative)
      else onDisposition.call(session, frame)
    }
    const onTransfer = inside.on_transfer
    // The bytes as they came: what is passed on is what was sent.
    const pieces = new Map<number, Buffer[]>()
    inside.on_transfer = frame => {
      const { handle, more } = frame.performative
      const own = pieces.get(handle) ?? []
      pieces.set(handle, own)
      if (frame.payload) own.push(frame.payload)
      if (!more) {
        this.#raw = Buffer.concat(own)
        pieces.delete(handle)
      }
      onTransfer.call(session, frame)
    }
  }

  /** Of the delivery that rhea hands over in the same call. */
  #raw: Buffer = Buffer.alloc(0)

  /** The peer sends: the link is a receiver here. */
  #senderAttached(receiver: Receiver, user: User | undefined): void {
    const address = receiver.target?.address ?? undefined
    if (!this.#door.maySend(user, address)) {
      receiver.close(FORBIDDEN)
      return
    }
    receiver.set_source(receiver.source ?? {})
    receiver.set_target({ address: address ?? '' })
    const link: Upstream = { receiver, user, address, granted: 0, open: new Set() }
    this.#up.add(link)
    receiver.on('message', ({ delivery, message }) => delivery && this.#arrived(link, delivery, String(message?.to ?? '')))
    receiver.on('receiver_close', () => this.#senderGone(link))
    this.#grant()
  }

  /** The peer receives: the link is a sender here. */
  #receiverAttached(sender: Sender, user: User | undefined): void {
    const isDynamic = sender.source?.dynamic === true
    if (!this.#door.mayReceive(user, isDynamic ? undefined : (sender.source?.address ?? ''))) {
      sender.close(FORBIDDEN)
      return
    }
    const address = isDynamic ? `amqp:/_topo/0/network/temp.${this.#dynamic++}` : (sender.source?.address ?? '')
    sender.set_source({ address, ...(isDynamic && { dynamic: true }) })
    sender.set_target(sender.target ?? {})
    const link: Downstream = { sender, address, multicast: address === 'headrace/ctl', open: new Map() }
    this.#down.add(link)
    sender.on('sender_close', () => this.#receiverGone(link))
    sender.on('sendable', () => this.#grant())
    sender.on('sender_flow', () => this.#grant())
    this.#grant()
  }

  /** Nobody is granted anything for an address at which nobody receives. */
  #grant(): void {
    for (const link of this.#up) {
      if (!link.receiver.is_open()) continue
      const credit = link.address === undefined ? CAPACITY : this.#creditAt(link.address)
      const more = Math.min(CAPACITY, credit) - link.granted - link.open.size
      if (more <= 0) continue
      link.granted += more
      link.receiver.add_credit(more)
    }
  }

  #creditAt(address: string): number {
    return this.#at(address).reduce((sum, { sender }) => sum + creditOf(sender), 0)
  }

  #at(address: string): Downstream[] {
    return [...this.#down].filter(link => link.address === address && link.sender.is_open())
  }

  #arrived(link: Upstream, delivery: Delivery, to: string): void {
    const raw = this.#raw
    const passing = { from: link, delivery }
    link.granted -= 1
    link.open.add(passing)
    const address = link.address ?? to
    const draw = this.#random.next()
    const isData = address.startsWith('headrace/in/')
    if (!this.#door.maySend(link.user, address)) this.#end(passing, 'rejected')
    else if (isData && draw < this.mischief.released) this.#end(passing, 'released')
    else if (isData && draw < this.mischief.released + this.mischief.modified) this.#end(passing, 'modified')
    else this.#pass(passing, address, raw)
    this.#grant()
  }

  #pass(passing: Passing, address: string, raw: Buffer): void {
    const ready = this.#at(address).filter(({ sender }) => creditOf(sender) > 0)
    const [first] = ready
    if (!first) {
      this.counts.unreachable += 1
      this.#end(passing, 'released')
    } else if (first.multicast) {
      for (const link of ready) this.#transfer(link, undefined, raw)
      this.#end(passing, 'accepted')
    } else {
      const link = ready[this.#turn++ % ready.length] ?? first
      this.#transfer(link, passing, raw)
    }
  }

  #transfer(link: Downstream, passing: Passing | undefined, raw: Buffer): void {
    const isData = link.address.startsWith('headrace/in/')
    const draw = isData ? this.#random.next() : 1
    this.counts.passed += 1
    if (draw < this.mischief.aborted) {
      this.counts.aborted += 1
      const id = this.#newId(link)
      this.#write(link, id, raw.subarray(0, Math.floor(raw.length / 2)), { more: true })
      this.#write(link, undefined, Buffer.alloc(0), { aborted: true })
      this.#spent(link)
      if (creditOf(link.sender) <= 0) {
        if (passing) this.#end(passing, 'modified')
        return
      }
    }
    const id = this.#newId(link)
    if (passing) {
      link.open.set(id, passing)
      this.#channelOf(link).byId.set(id, { passing, link })
    }
    const isSplit = draw >= this.mischief.aborted && draw < this.mischief.aborted + this.mischief.split
    const pieces = isSplit ? 3 : Math.ceil(raw.length / TRANSFER_BYTES_MAX)
    if (pieces > 1) this.counts.split += 1
    const step = Math.ceil(raw.length / pieces)
    for (let piece = 0; piece < pieces; piece++) {
      const bytes = raw.subarray(piece * step, (piece + 1) * step)
      this.#write(link, piece === 0 ? id : undefined, bytes, { more: piece < pieces - 1, settled: passing === undefined })
    }
    this.#spent(link)
  }

  #newId(link: Downstream): number {
    return this.#channelOf(link).nextDeliveryId++
  }

  #channelOf({ sender }: Downstream): ChannelState {
    let state = this.#channels.get(sender.session)
    if (!state) {
      state = { nextDeliveryId: 0, byId: new Map() }
      this.#channels.set(sender.session, state)
    }
    return state
  }

  #write(
    { sender }: Downstream,
    id: number | undefined,
    payload: Buffer,
    how: { more?: boolean; aborted?: boolean; settled?: boolean },
  ): void {
    const { more = false, aborted = false, settled = false } = how
    const named = id === undefined ? {} : { delivery_id: id, delivery_tag: Buffer.from(String(id)), message_format: 0 }
    const { handle } = (sender as unknown as { local: { handle: number } }).local
    const fields = { handle, more, aborted, settled, ...named }
    ;(sender.session as unknown as SessionInside).output(frames.transfer(fields), payload)
  }

  /** rhea counts only what it has sent itself. */
  #spent({ sender }: Downstream): void {
    const inside = sender as unknown as { credit: number; delivery_count: number }
    inside.credit -= 1
    inside.delivery_count += 1
  }

  #told(session: Session, { first, last = first, state }: Disposition): void {
    const known = this.#channels.get(session)
    const outcome = Object.entries(OUTCOME).find(([, code]) => Number(state?.descriptor?.value) === code)?.[0]
    for (let id = first; id <= last; id++) {
      const found = known?.byId.get(id)
      if (!found) continue
      known?.byId.delete(id)
      found.link.open.delete(id)
      this.#end(found.passing, (outcome ?? 'modified') as keyof typeof OUTCOME)
    }
    this.#grant()
  }

  #end(passing: Passing, outcome: keyof typeof OUTCOME): void {
    const { from, delivery } = passing
    if (!from.open.delete(passing) || !from.receiver.is_open()) return
    if (outcome === 'accepted') delivery.accept()
    else if (outcome === 'released') delivery.release()
    else if (outcome === 'modified') delivery.modified({ delivery_failed: true, undeliverable_here: false })
    else delivery.reject({ condition: 'network:rejected', description: 'the receiver rejected it' })
    if (outcome === 'released' || outcome === 'modified') this.counts[outcome] += 1
  }

  #senderGone(link: Upstream): void {
    this.#up.delete(link)
    link.open.clear()
  }

  /** What it held goes back to where it came from, in any order. */
  #receiverGone(link: Downstream): void {
    if (!this.#down.delete(link)) return
    for (const passing of this.#random.shuffled([...link.open.values()])) {
      this.counts.givenBack += 1
      this.#end(passing, 'modified')
    }
    for (const id of link.open.keys()) this.#channelOf(link).byId.delete(id)
    link.open.clear()
    this.#grant()
  }
}

function creditOf(sender: Sender): number {
  return (sender as unknown as { credit: number }).credit
}
