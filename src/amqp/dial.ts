import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Connection, PeerError } from './amqp.ts'
import { FrameGuard } from './frame-guard.ts'
import { gatherOutput } from './gathered-output.ts'
import { IDLE_TIMEOUT_MS, MAX_FRAME_BYTES, OPEN_LIMIT_MS, type TlsMaterial } from './limits.ts'
import { createContainer, guardInput, plainLogin, wrongLimits } from './rhea-internals.ts'
import { mendSession, Unfinished } from './rhea-sessions.ts'
import { SafeConnection } from './safe-connection.ts'
import { peerError } from './sender.ts'
import { tlsRefusal } from './tls-words.ts'

/** AMQP sessions of one connection, unless said otherwise: a gateway has a handful of links. */
const SESSIONS_MAX = 256

/** What to do about a peer that is not let go on. */
const MISTRUSTED =
  'Look at the address, and at whom this end trusts: tls.ca, or the authority that it was enrolled with. Something between may answer in its place.'

/** A core that lets nobody in without a good certificate hangs up, and does not say why. */
const HUNG_UP = {
  plain: 'it hung up before it was open',
  secured: 'it hung up before it was open: it does not let this end in, or does not speak TLS there',
}

export interface DialOptions {
  /** `amqp://host:port` or `amqps://host:port`; the port is 5672 or 5671 unless given. */
  readonly url: string
  readonly containerId: string
  readonly tls?: TlsMaterial
  /** What is wrong with the peer's certificate, instead of the judgement of TLS by this machine's clock; nothing is said to the peer before it. */
  readonly wrongPeer?: (socket: TLSSocket, host: string) => string | undefined
  /** SASL PLAIN, for a router or broker. */
  readonly user?: { readonly name: string; readonly password: string }
  /** AMQP sessions at once, of which each link has one of its own. */
  readonly sessionsMax?: number
  readonly openLimitMs?: number
  readonly idleTimeoutMs?: number
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Opens one connection. Resolves when the peer has opened too. Rejects with `timeout`, `link_refused` (TLS, SASL, or the peer closed) or `link_lost`.
 */
export function dial(options: DialOptions): Promise<Connection> {
  const url = new URL(options.url)
  const tls = url.protocol === 'amqps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port) || (tls ? 5671 : 5672)
  const limitMs = options.openLimitMs ?? OPEN_LIMIT_MS
  const container = createContainer(options.containerId)
  return new Promise((resolve, reject) => {
    let opened: SafeConnection | undefined
    let socket: Socket | undefined
    const fail = (code: 'timeout' | 'link_refused' | 'link_lost', what: string, cause?: unknown, advice?: string) => {
      limit.cancel()
      socket?.destroy()
      reject(new HeadraceError(code, `${options.url}: ${what}`, { cause, ...(advice !== undefined && { advice }) }))
    }
    const hungUp = tls ? HUNG_UP.secured : HUNG_UP.plain
    const failedSocket = (error: Error) => {
      const refusal = tls ? tlsRefusal(error) : undefined
      if (!refusal) fail('link_lost', isReset(error) ? hungUp : error.message, error)
      else fail('link_refused', refusal.what, error, refusal.by === 'us' ? MISTRUSTED : undefined)
    }
    const limit = options.clock.after(limitMs, () => fail('timeout', `not open after ${limitMs} ms`))
    const open = (_port: number, _host: string, _ignored: object, connected: () => void): Socket => {
      socket = tls ? connectSecurely(options, host, port, connected, fail) : connectTcp({ host, port }, connected)
      socket.setNoDelay(true)
      socket.once('error', error => !opened && failedSocket(error))
      socket.once('close', () => !opened && fail('link_lost', hungUp))
      return socket
    }
    const connection = container.create_connection({
      connection_details: () => ({ host, port, options: {}, connect: open }),
      host,
      port,
      reconnect: false,
      idle_time_out: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      max_frame_size: MAX_FRAME_BYTES,
      channel_max: (options.sessionsMax ?? SESSIONS_MAX) - 1,
      tcp_no_delay: true,
      ...(tls && options.tls?.cert && { enable_sasl_external: true, cert: options.tls.cert }),
      ...(options.user && { sasl_mechanisms: plainLogin(options.user) }),
    } as Parameters<typeof container.create_connection>[0])
    const guard = new FrameGuard(MAX_FRAME_BYTES)
    const unfinished = new Unfinished()
    guardInput(
      connection,
      bytes => guard.take(bytes),
      reason =>
        opened
          ? opened.refuse({ condition: 'amqp:connection:framing-error', description: reason })
          : fail('link_refused', reason),
    )
    // Without listeners a stranger's bytes end the process.
    container.on('error', () => {})
    const refusedBy = (error: PeerError | undefined) =>
      !opened && fail('link_refused', error?.description || 'the peer closed the connection', error)
    const refusedEarly = () => refusedBy(peerError(connection.error))
    connection.on('connection_close', refusedEarly)
    connection.on('connection_error', context => refusedBy(peerError(context.error)))
    connection.on('disconnected', context => !opened && fail('link_lost', context.error ? String(context.error) : hungUp))
    for (const event of ['error', 'protocol_error'] as const)
      connection.on(event, error => !opened && fail('link_refused', String(error), error))
    connection.on('session_open', context => context.session && !opened && mendSession(context.session, unfinished))
    connection.once('connection_open', () => {
      const wrong = wrongLimits(connection)
      if (wrong !== undefined) return fail('link_refused', wrong)
      limit.cancel()
      connection.removeListener('connection_close', refusedEarly)
      opened = new SafeConnection(
        connection,
        { method: tls ? 'certificate' : 'anonymous', name: undefined },
        unfinished,
        options.clock,
        options.log,
      )
      resolve(opened)
    })
    connection.connect()
    gatherOutput(connection)
  })
}

function isReset(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET'
}

function connectSecurely(
  { tls, wrongPeer }: DialOptions,
  host: string,
  port: number,
  connected: () => void,
  fail: (code: 'link_refused', what: string, cause: undefined, advice: string) => void,
): TLSSocket {
  const servername = isIP(host) ? {} : { servername: host }
  const secured = () => {
    const wrong = wrongPeer?.(socket, host)
    if (wrong === undefined) connected()
    else fail('link_refused', wrong, undefined, MISTRUSTED)
  }
  const socket: TLSSocket = connectTls(
    { host, port, ...servername, ...tls, ...(wrongPeer && { rejectUnauthorized: false }) },
    secured,
  )
  return socket
}
