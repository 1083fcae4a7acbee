import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { type ClientTlsOptions, readClientTls, whyRefused } from './client-tls.ts'
import { LoopingSource } from './looping-source.ts'
import { OpeningSource } from './opening-source.ts'
import type { SourceContext } from './source.ts'

/** Between two attempts to connect, ms. */
const AGAIN_AFTER = { firstMs: 250, maxMs: 15_000 }
const CONNECT_LIMIT_MS = 10_000
/** A connection whose other end has vanished is found dead by the system after about this, ms. */
const KEEP_ALIVE_MS = 30_000

/** A host and port, or the path of a Unix socket. */
export type SocketPlace = { readonly host: string; readonly port: number } | { readonly path: string }

export interface StreamOptions {
  readonly place: SocketPlace
  readonly name: string
  /** Closes a connection on which nothing came for so long, ms. */
  readonly idleMs: number | undefined
}

export interface ClientOptions extends StreamOptions {
  readonly greeting: Buffer
  readonly tls?: ClientTlsOptions | undefined
}

/** Reads one connection to its end; its bytes are framed apart from those of others. Resolves with why it ended. */
function readToEnd(socket: Socket, options: StreamOptions & Pick<ClientOptions, 'tls'>, context: SourceContext): Promise<string> {
  const stream = context.stream()
  return new Promise(resolve => {
    let why = 'the other end closed the connection'
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const { idleMs } = options
    if (idleMs !== undefined) {
      socket.setTimeout(idleMs)
      socket.on('timeout', () => {
        if (socket.isPaused()) {
          // While there is no room nothing is read, and that is not the other end's silence; it is waited for anew.
          socket.setTimeout(idleMs)
          return
        }
        context.trouble('a silent connection was closed')
        socket.destroy(new Error(`nothing came for ${idleMs} ms`))
      })
    }
    socket.on('data', (chunk: Buffer) => stream.bytes(chunk, context.clock.wallMs()))
    socket.on('error', error => {
      // A server that refuses this side's certificate says so when the connection stands already (RFC 8446, 4.4.2).
      why = whyRefused(error, options.tls, context.clock.wallMs())
    })
    socket.on('close', () => {
      stream.interrupted()
      resolve(why)
    })
  })
}

/**
 * Connects to a device or server and reads what it sends.
 *
 *   WAITING ──connected──► READING ──closed, failed, silent for too long──► WAITING (backoff) … ──stop──► STOPPED
 */
export class SocketClient extends LoopingSource {
  readonly #options: ClientOptions
  readonly #context: SourceContext
  #socket: Socket | undefined

  constructor(options: ClientOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  override async stop(): Promise<void> {
    const stopped = super.stop()
    this.#socket?.destroy()
    await stopped
  }

  override pause(): void {
    super.pause()
    this.#socket?.pause()
  }

  override resume(): void {
    super.resume()
    this.#socket?.resume()
  }

  protected override async run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.stopping
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      let why: string
      try {
        this.#socket = await this.#connect()
        if (this.#options.greeting.length > 0) this.#socket.write(this.#options.greeting)
        this.#context.state('reading')
        const ended = readToEnd(this.#socket, this.#options, this.#context)
        // A connection alone says little: a serial server that is taken already accepts it, and closes it.
        this.#socket.once('data', () => backoff.reset())
        if (this.gate.isClosed) this.#socket.pause()
        if (signal.aborted) this.#socket.destroy()
        why = await ended
      } catch (error) {
        why = whyRefused(error, this.#options.tls, clock.wallMs())
      }
      if (signal.aborted) return
      this.#context.state('waiting', `${this.#options.name}: ${why}`)
      await pause(clock, backoff.nextMs(), signal).catch(() => {})
    }
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const { place, tls } = this.#options
      const socket = tls && 'host' in place ? connectTls(tlsTo(place, tls)) : connect({ ...place, allowHalfOpen: false })
      const connected = tls ? 'secureConnect' : 'connect'
      this.#socket = socket
      const limit = this.#context.clock.after(CONNECT_LIMIT_MS, () =>
        socket.destroy(new HeadraceError('timeout', `no connection after ${CONNECT_LIMIT_MS} ms`)),
      )
      const failed = (error?: Error) => {
        limit.cancel()
        reject(error ?? new Error('closed'))
      }
      socket.once('error', failed)
      socket.once('close', failed)
      socket.once(connected, () => {
        limit.cancel()
        socket.off('error', failed)
        socket.off('close', failed)
        resolve(socket)
      })
    })
  }
}

/** RFC 6066, 3: no address stands as a name there. */
function tlsTo(place: { readonly host: string; readonly port: number }, options: ClientTlsOptions): ConnectionOptions {
  const name = isIP(place.host) ? {} : { servername: place.host }
  return { ...place, ...name, ...readClientTls(options) }
}

/**
 * Listens, and reads what every connection sends. While the buffer has no room all are paused: the senders' own system holds them back.
 */
export class SocketListener extends OpeningSource<Server> {
  readonly #options: StreamOptions & { readonly connectionsMax: number }
  readonly #prepare: () => Promise<void>
  readonly #bound: () => void
  readonly #sockets = new Set<Socket>()

  /** `prepare` runs before each attempt to bind, `bound` after it has succeeded. */
  constructor(
    options: StreamOptions & { readonly connectionsMax: number },
    context: SourceContext,
    hooks: { prepare: () => Promise<void>; bound: () => void } = { prepare: async () => {}, bound: () => {} },
  ) {
    super(options.name, context)
    this.#options = options
    this.#prepare = hooks.prepare
    this.#bound = hooks.bound
  }

  override pause(): void {
    super.pause()
    for (const socket of this.#sockets) socket.pause()
  }

  override resume(): void {
    super.resume()
    for (const socket of this.#sockets) socket.resume()
  }

  protected override async open(): Promise<Server> {
    await this.#prepare()
    const server = await this.#listen()
    try {
      this.#bound()
    } catch (error) {
      server.close()
      throw error
    }
    return server
  }

  protected override async close(server: Server): Promise<void> {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #listen(): Promise<Server> {
    const server = createServer(socket => void this.#serve(socket))
    server.maxConnections = this.#options.connectionsMax
    server.on('drop', () => this.context.trouble('a connection too many was refused'))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#options.place, () => {
        server.off('error', reject)
        server.on('error', error => this.context.trouble(messageOf(error)))
        resolve(server)
      })
    })
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    const ended = readToEnd(socket, this.#options, this.context)
    if (this.gate.isClosed) socket.pause()
    await ended
    this.#sockets.delete(socket)
  }
}
