import { createHash } from 'node:crypto'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Connection as RheaConnection, Receiver as RheaReceiver, Sender as RheaSender } from 'rhea'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Listener, ListenHandlers, PeerError, PeerIdentity } from './amqp.ts'
import { FrameGuard, type Passed } from './frame-guard.ts'
import {
  BYTES_BEFORE_OPEN_MAX,
  IDLE_TIMEOUT_MS,
  MAX_FRAME_BYTES,
  OPEN_LIMIT_MS,
  type TlsMaterial,
  UNFINISHED_MAX,
  UNREAD_BYTES_MAX,
} from './limits.ts'
import {
  acceptSocket,
  createContainer,
  gatherOutput,
  guardInput,
  markDisconnected,
  mendSession,
  offerExternal,
  Unfinished,
  wrongLimits,
} from './rhea-internals.ts'
import { SafeConnection } from './safe-connection.ts'
import { type Holder, UnfinishedBytes } from './unfinished.ts'

/** Connections at once; more are closed as they come. */
const CONNECTIONS_MAX = 4_000
/** Links of one connection; a gateway has three. */
const LINKS_PER_CONNECTION_MAX = 32
/** Sessions of one connection; a gateway has one for each link. rhea counts none. */
const SESSIONS_PER_CONNECTION_MAX = 64
/** Links that were refused and whose peer has not taken note; rhea keeps each until it has. */
const REFUSED_LINKS_MAX = 32
const CLOSE_LIMIT_MS = 2_000
/** Peers at once that a certificate was asked of and that have shown none which is good. */
const STRANGERS_MAX = 64
/** For so long such a peer may ask for one, ms. */
const STRANGER_LIFE_MS = 30_000
/** What is wrong with a certificate that its bearer may ask to have renewed: OpenSSL's X509_V_ERR names. */
const ENDED = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

export interface ListenOptions {
  /** `amqp://host:port` or `amqps://host:port`; port 0 takes a free one. */
  readonly url: string
  readonly containerId: string
  /** With `ca`, a peer has to show a certificate which that has signed. */
  readonly tls?: TlsMaterial
  /** Whether who has no certificate, or one that has ended, may come in as a stranger. */
  readonly strangers?: 'admitted' | 'refused'
  readonly openLimitMs?: number
  readonly idleTimeoutMs?: number
  readonly connectionsMax?: number
  readonly clock: Clock
  readonly log: Logger
}

/** Listens. Rejects with `config_invalid` where the address cannot be had. */
export async function listen(options: ListenOptions, handlers: ListenHandlers): Promise<Listener> {
  const url = new URL(options.url)
  const tls = url.protocol === 'amqps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (tls ? 5671 : 5672) : Number(url.port)
  const peers = new Set<Socket>()
  const strangers = new Set<Socket>()
  const unfinished = new UnfinishedBytes(UNFINISHED_MAX)
  const take = (socket: Socket) => {
    if (peers.size >= (options.connectionsMax ?? CONNECTIONS_MAX)) {
      socket.destroy()
      return
    }
    if (isStranger(socket, options) && !takeStranger(socket, strangers, options)) return
    peers.add(socket)
    socket.once('close', () => peers.delete(socket))
    new Peer(socket, options, handlers, unfinished)
  }
  const server: Server = tls
    ? createTlsServer(
        {
          ...options.tls,
          requestCert: options.tls?.ca !== undefined,
          rejectUnauthorized: options.tls?.ca !== undefined && options.strangers !== 'admitted',
        },
        take,
      )
    : createTcpServer(take)
  server.on('tlsClientError', error => options.log.warn({}, `a TLS handshake failed: ${(error as Error).message}`))
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause =>
      reject(
        new HeadraceError('config_invalid', `cannot listen on ${options.url}: ${cause.message}`, {
          advice: 'Choose a free port of this machine.',
          cause,
        }),
      ),
    )
    server.listen(port, host, resolve)
  })
  server.on('error', error => options.log.error({}, `the listener failed: ${error.message}`))
  const address = server.address()
  const taken = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `${url.protocol}//${url.hostname}:${taken}`,
    renewTls: material => {
      if ('setSecureContext' in server) (server as TlsServer).setSecureContext(material)
    },
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      const limit = options.clock.after(CLOSE_LIMIT_MS, () => {
        for (const socket of peers) socket.destroy()
      })
      for (const socket of peers) socket.end()
      await closed
      limit.cancel()
    },
  }
}

/** Whether a certificate is asked of a peer that has shown none which is good. */
function isStranger(socket: Socket, { tls, strangers }: ListenOptions): boolean {
  return tls?.ca !== undefined && strangers === 'admitted' && !(socket as TLSSocket).authorized
}

/** A stranger stays for as long as it takes to ask for a certificate; false where it may not even ask. */
function takeStranger(socket: Socket, strangers: Set<Socket>, { clock, log }: ListenOptions): boolean {
  const shown = (socket as TLSSocket).getPeerX509Certificate() !== undefined
  // Node's types say Error; it is the name of what OpenSSL found.
  const wrong = String((socket as TLSSocket).authorizationError)
  if ((shown && !ENDED.includes(wrong)) || strangers.size >= STRANGERS_MAX) {
    log.warn({ remote: socket.remoteAddress, reason: shown ? wrong : 'too many strangers' }, 'a connection was refused')
    socket.destroy()
    return false
  }
  strangers.add(socket)
  const life = clock.after(STRANGER_LIFE_MS, () => socket.destroy(), 'background')
  socket.once('close', () => {
    strangers.delete(socket)
    life.cancel()
  })
  return true
}

/**
 * A peer that has connected.
 *
 *   CONNECTED ──open, within the limit──► OPEN ──► its links are offered to the handlers, one by one
 */
class Peer implements Holder {
  readonly #options: ListenOptions
  readonly #handlers: ListenHandlers
  readonly #connection: RheaConnection
  readonly #socket: Socket
  readonly #guard = new FrameGuard(MAX_FRAME_BYTES)
  readonly #messages = new Unfinished()
  readonly #ofAll: UnfinishedBytes
  readonly #refusedLinks = new Set<RheaReceiver | RheaSender>()
  #ended = 0
  #sessions = 0
  #opened: SafeConnection | undefined
  #dynamic = 0

  constructor(socket: Socket, options: ListenOptions, handlers: ListenHandlers, unfinished: UnfinishedBytes) {
    this.#ofAll = unfinished
    this.#options = options
    this.#handlers = handlers
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    const container = createContainer(options.containerId)
    container.on('error', () => {})
    if (isStranger(socket, options)) offerExternal(container)
    this.#connection = container.create_connection({
      idle_time_out: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
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
    const { clock, log, openLimitMs } = this.#options
    const connection = this.#connection
    const refuse = (reason: string) => this.#refuse(reason)
    guardInput(
      connection,
      bytes => this.#take(bytes),
      refuse,
      () => this.#account(),
    )
    const limit = clock.after(openLimitMs ?? OPEN_LIMIT_MS, () => !this.#opened && refuse('it was not open in time'))
    this.#socket.once('close', () => {
      limit.cancel()
      this.#ofAll.forget(this)
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
      limit.cancel()
      this.#opened = new SafeConnection(connection, this.#identity(), this.#messages, clock, log)
      this.#handlers.onConnection(this.#opened)
    })
    connection.on('receiver_open', context => context.receiver && this.#senderAttached(context.receiver))
    connection.on('sender_open', context => context.sender && this.#receiverAttached(context.sender))
  }

  #refuse(reason: string): void {
    const { remoteAddress, remotePort } = this.#socket
    this.#options.log.warn({ remote: `${remoteAddress}:${remotePort}` }, `a connection was refused: ${reason}`)
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
    if (!this.#socket.destroyed) this.#ofAll.set(this, this.#messages.bytes + this.#guard.heldBytes, progress)
  }

  #identity(): PeerIdentity {
    const socket = this.#socket as Partial<TLSSocket>
    if (isStranger(this.#socket, this.#options)) return { method: 'stranger', name: undefined }
    if (!socket.authorized) return { method: 'anonymous', name: undefined }
    const { subject, raw } = socket.getPeerCertificate?.() ?? {}
    const name = subject?.CN
    const fingerprint = raw && createHash('sha256').update(raw).digest('base64url')
    return { method: 'certificate', name: Array.isArray(name) ? name[0] : name, ...(fingerprint && { fingerprint }) }
  }

  /** The peer sends: the link is a receiver here. */
  #senderAttached(link: RheaReceiver): void {
    const connection = this.#opened
    if (!connection) {
      this.#refuse('a link was attached before it was open')
      return
    }
    const address = link.target?.address ?? null
    const answer = this.#tooMany(connection) ?? this.#handlers.onSenderAttach({ connection, address })
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
    const answer = this.#tooMany(connection) ?? this.#handlers.onReceiverAttach({ connection, address: asked })
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
