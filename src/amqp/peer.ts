import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Connection as RheaConnection, Receiver as RheaReceiver, Sender as RheaSender } from 'rhea'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { SparingLog } from '../runtime/sparing-log.ts'
import type { ListenHandlers, PeerError, PeerIdentity } from './amqp.ts'
import { FrameGuard, type Passed } from './frame-guard.ts'
import { gatherOutput } from './gathered-output.ts'
import { BYTES_BEFORE_OPEN_MAX, IDLE_TIMEOUT_MS, MAX_FRAME_BYTES, UNREAD_BYTES_MAX } from './limits.ts'
import { acceptSocket, createContainer, guardInput, markDisconnected, offerExternal, wrongLimits } from './rhea-internals.ts'
import { mendSession, Unfinished } from './rhea-sessions.ts'
import { SafeConnection } from './safe-connection.ts'
import type { Holder, UnfinishedBytes } from './unfinished.ts'

/** Links of one connection; a gateway has three. */
const LINKS_PER_CONNECTION_MAX = 32
/** Sessions of one connection; a gateway has one for each link. rhea counts none. */
const SESSIONS_PER_CONNECTION_MAX = 64
/** Links that were refused and whose peer has not taken note; rhea keeps each until it has. */
const REFUSED_LINKS_MAX = 32

export interface PeerDeps {
  readonly containerId: string
  /** Whether a certificate is asked of it and it has shown none that is good. */
  readonly isStranger: boolean
  readonly idleTimeoutMs?: number | undefined
  readonly handlers: ListenHandlers
  /** What all peers of the listener have begun and not ended. */
  readonly unfinished: UnfinishedBytes
  readonly onOpen: (identity: PeerIdentity) => void
  readonly clock: Clock
  /** For what anybody can cause. */
  readonly warnings: SparingLog
}

/**
 * A peer that has connected.
 *
 *   CONNECTED ──open, as long as the doorway lets it──► OPEN ──► its links are offered to the handlers, one by one
 */
export class Peer implements Holder {
  readonly #deps: PeerDeps
  readonly #connection: RheaConnection
  readonly #socket: Socket
  readonly #guard = new FrameGuard(MAX_FRAME_BYTES)
  readonly #messages = new Unfinished()
  readonly #refusedLinks = new Set<RheaReceiver | RheaSender>()
  #ended = 0
  #sessions = 0
  #opened: SafeConnection | undefined
  #dynamic = 0

  constructor(socket: Socket, deps: PeerDeps) {
    this.#deps = deps
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    const container = createContainer(deps.containerId)
    container.on('error', () => {})
    if (deps.isStranger) offerExternal(container)
    this.#connection = container.create_connection({
      idle_time_out: deps.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      max_frame_size: MAX_FRAME_BYTES,
      channel_max: 255,
      tcp_no_delay: true,
      reconnect: false,
      enable_sasl_external: true,
      receiver_options: { autoaccept: false, credit_window: 0 },
      sender_options: { autosettle: true, treat_modified_as_released: false },
    } as unknown as Parameters<typeof container.create_connection>[0])
    this.#watch()
    acceptSocket(this.#connection, socket)
    gatherOutput(this.#connection)
  }

  cutOff(): void {
    this.#refuse('it has ended nothing of what it began, and others need the room')
  }

  #watch(): void {
    const { clock, warnings, handlers, onOpen, unfinished } = this.#deps
    const connection = this.#connection
    const refuse = (reason: string) => this.#refuse(reason)
    guardInput(
      connection,
      bytes => this.#take(bytes),
      refuse,
      () => this.#account(),
    )
    this.#socket.once('close', () => {
      unfinished.forget(this)
      markDisconnected(connection)
    })
    for (const event of ['error', 'protocol_error'] as const)
      connection.on(event, error => !this.#opened && refuse(messageOf(error)))
    connection.on('connection_error', () => {})
    connection.on('session_error', () => {})
    connection.on('disconnected', () => {})
    connection.on('session_open', context => {
      if (!context.session) return
      mendSession(context.session, this.#messages)
      if (++this.#sessions > SESSIONS_PER_CONNECTION_MAX) refuse(`it has more than ${SESSIONS_PER_CONNECTION_MAX} sessions`)
    })
    connection.on('session_close', () => this.#sessions--)
    connection.once('connection_open', () => {
      const wrong = wrongLimits(connection)
      if (wrong !== undefined) return refuse(wrong)
      const identity = this.#identity()
      onOpen(identity)
      this.#opened = new SafeConnection(connection, identity, this.#messages, clock, warnings)
      handlers.onConnection(this.#opened)
    })
    connection.on('receiver_open', context => context.receiver && this.#senderAttached(context.receiver))
    connection.on('sender_open', context => context.sender && this.#receiverAttached(context.sender))
  }

  #refuse(reason: string): void {
    const { remoteAddress, remotePort } = this.#socket
    this.#deps.warnings.warn({ remote: `${remoteAddress}:${remotePort}` }, `a connection was refused: ${reason}`)
    if (this.#opened) this.#opened.refuse({ condition: 'amqp:connection:framing-error', description: reason })
    else this.#socket.destroy()
  }

  #take(bytes: Buffer): Passed {
    const passed = this.#guard.take(bytes)
    if ('refused' in passed) return passed
    if (!this.#opened && this.#guard.passedBytes > BYTES_BEFORE_OPEN_MAX)
      return { refused: 'too much was said before it was open' }
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) return { refused: 'it does not read what it is told' }
    return passed
  }

  #account(): void {
    const progress = this.#messages.ended > this.#ended ? 'progress' : 'none'
    this.#ended = this.#messages.ended
    if (!this.#socket.destroyed) this.#deps.unfinished.set(this, this.#messages.bytes + this.#guard.heldBytes, progress)
  }

  #identity(): PeerIdentity {
    const socket = this.#socket as Partial<TLSSocket>
    if (this.#deps.isStranger) return { method: 'stranger', name: undefined }
    if (!socket.authorized) return { method: 'anonymous', name: undefined }
    const leaf = socket.getPeerCertificate?.(true)
    // A peer without a certificate has an empty object here.
    if (!leaf?.raw) return { method: 'certificate', name: undefined }
    const name = leaf.subject.CN
    const fingerprint = createHash('sha256').update(leaf.raw).digest('base64url')
    return { method: 'certificate', name: Array.isArray(name) ? name[0] : name, fingerprint, endsMs: endOfChainMs(leaf) }
  }

  /** The peer sends: the link is a receiver here. */
  #senderAttached(link: RheaReceiver): void {
    const connection = this.#opened
    if (!connection) {
      this.#refuse('a link was attached before it was open')
      return
    }
    const address = link.target?.address ?? null
    const answer = this.#tooMany(connection) ?? this.#deps.handlers.onSenderAttach({ connection, address })
    if ('refuse' in answer) {
      this.#refuseLink(link, answer.refuse)
      return
    }
    link.set_source(link.source ?? {})
    link.set_target({ address: address ?? '' })
    answer.onReceiver(connection.adoptReceiver(link, address ?? '', answer.onDelivery))
  }

  /** The peer receives: the link is a sender here. */
  #receiverAttached(link: RheaSender): void {
    const connection = this.#opened
    if (!connection) {
      this.#refuse('a link was attached before it was open')
      return
    }
    const asked = link.source?.dynamic ? null : (link.source?.address ?? null)
    const answer = this.#tooMany(connection) ?? this.#deps.handlers.onReceiverAttach({ connection, address: asked })
    if ('refuse' in answer) {
      this.#refuseLink(link, answer.refuse)
      return
    }
    const address = asked ?? `headrace/reply/${connection.remote}/${this.#dynamic++}`
    link.set_source({ address, ...(asked === null && { dynamic: true }) })
    link.set_target(link.target ?? {})
    answer.onSender(connection.adoptSender(link, address, link.session, false))
  }

  #refuseLink(link: RheaReceiver | RheaSender, error: PeerError): void {
    link.close(error)
    this.#refusedLinks.add(link)
    for (const event of ['close', 'error']) {
      for (const role of ['receiver', 'sender']) link.on(`${role}_${event}`, () => this.#refusedLinks.delete(link))
    }
    if (this.#refusedLinks.size > REFUSED_LINKS_MAX) this.#refuse('it attaches links and does not hear that they are refused')
  }

  #tooMany(connection: SafeConnection): { refuse: PeerError } | undefined {
    if (connection.linkCount < LINKS_PER_CONNECTION_MAX) return undefined
    return {
      refuse: {
        condition: 'amqp:resource-limit-exceeded',
        description: `a connection may have ${LINKS_PER_CONNECTION_MAX} links`,
      },
    }
  }
}

/** A root names itself as its issuer. */
function endOfChainMs(leaf: DetailedPeerCertificate): number {
  const above = leaf.issuerCertificate
  const ownMs = Date.parse(leaf.valid_to)
  return above === undefined || above.raw.equals(leaf.raw) ? ownMs : Math.min(ownMs, endOfChainMs(above))
}
