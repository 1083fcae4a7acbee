import { createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { SparingLog } from '../runtime/sparing-log.ts'
import type { Listener, ListenHandlers } from './amqp.ts'
import { DOORWAY, Doorway, type DoorwayLimits } from './doorway.ts'
import { CONNECTIONS_MAX, OPEN_LIMIT_MS, type TlsMaterial, UNFINISHED_MAX } from './limits.ts'
import { Peer } from './peer.ts'
import { Strangers } from './strangers.ts'
import { UnfinishedBytes } from './unfinished.ts'

const CLOSE_LIMIT_MS = 2_000

export interface ListenOptions {
  /** `amqp://host:port` or `amqps://host:port`; port 0 takes a free one. */
  readonly url: string
  readonly containerId: string
  /** With `ca`, a peer has to show a certificate which that has signed. */
  readonly tls?: TlsMaterial
  /** Asked before each handshake: what is to be shown from then on, where that has changed. */
  readonly renewedTls?: () => TlsMaterial | undefined
  /** Whether who has no certificate, or one that has ended, may come in as a stranger. */
  readonly strangers?: 'admitted' | 'refused'
  readonly openLimitMs?: number
  readonly idleTimeoutMs?: number
  readonly connectionsMax?: number
  readonly doorway?: Partial<DoorwayLimits>
  readonly clock: Clock
  readonly log: Logger
}

/** Listens. Rejects with `config_invalid` where the address cannot be had. */
export async function listen(options: ListenOptions, handlers: ListenHandlers): Promise<Listener> {
  const { clock, log, openLimitMs = OPEN_LIMIT_MS, connectionsMax = CONNECTIONS_MAX } = options
  const url = new URL(options.url)
  const tls = url.protocol === 'amqps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (tls ? 5671 : 5672) : Number(url.port)
  const peers = new Set<Socket>()
  const warnings = new SparingLog(log, clock)
  const strangers = new Strangers(clock, warnings)
  const unfinished = new UnfinishedBytes(UNFINISHED_MAX)
  const take = (socket: Socket) => {
    if (peers.size >= connectionsMax) {
      const advice = 'Another core takes the others, or raise `connections_max` in `ingress` of core.yaml.'
      warnings.warn({ remote: socket.remoteAddress }, `${connectionsMax} connections are open, and no more are taken. ${advice}`)
      socket.destroy()
      return
    }
    const isStranger = asksForCertificate(options) && options.strangers === 'admitted' && !(socket as TLSSocket).authorized
    if (isStranger && !strangers.take(socket as TLSSocket)) return
    peers.add(socket)
    socket.once('close', () => peers.delete(socket))
    new Peer(socket, {
      ...options,
      isStranger,
      handlers,
      unfinished,
      warnings,
      onOpen: ({ method }) => doorway.opened(socket, method === 'certificate' ? 'known' : 'others'),
    })
  }
  // It listens to nothing: connections are handed to it when it is their turn.
  const secured = tls
    ? createTlsServer(
        {
          ...options.tls,
          requestCert: asksForCertificate(options),
          rejectUnauthorized: asksForCertificate(options) && options.strangers !== 'admitted',
          handshakeTimeout: openLimitMs,
        },
        take,
      )
    : undefined
  secured?.on('tlsClientError', (error, socket) =>
    warnings.warn({ remote: socket.remoteAddress }, `a TLS handshake failed: ${(error as Error).message}`),
  )
  const begin = (socket: Socket) => {
    if (secured) {
      const renewed = options.renewedTls?.()
      if (renewed) secured.setSecureContext(renewed)
      secured.emit('connection', socket)
      return
    }
    take(socket)
    socket.resume()
  }
  const doorway = new Doorway({ ...DOORWAY, openLimitMs, ...options.doorway }, begin, clock, warnings)
  const server = createTcpServer({ pauseOnConnect: true }, socket => doorway.arrive(socket))
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
  server.on('error', error => log.error({}, `the listener failed: ${error.message}`))
  const address = server.address()
  const taken = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `${url.protocol}//${url.hostname}:${taken}`,
    renewTls: material => secured?.setSecureContext(material),
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      const limit = clock.after(CLOSE_LIMIT_MS, () => {
        for (const socket of peers) socket.destroy()
      })
      doorway.close()
      for (const socket of peers) socket.end()
      await closed
      limit.cancel()
    },
  }
}

function asksForCertificate({ tls }: ListenOptions): boolean {
  return tls?.ca !== undefined
}
