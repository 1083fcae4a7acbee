import { connect, createServer, type Server, type Socket } from 'node:net'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { PauseGate } from './pause-gate.ts'
import type { Source, SourceContext } from './source.ts'

/** Between two attempts to connect or to listen, ms. */
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

/** Reads one connection to its end; its bytes are framed apart from those of others. Resolves with why it ended. */
function readToEnd(socket: Socket, options: StreamOptions, context: SourceContext): Promise<string> {
  const stream = context.stream()
  return new Promise(resolve => {
    let why = 'the other end closed the connection'
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    if (options.idleMs !== undefined) {
      socket.setTimeout(options.idleMs, () => {
        // While there is no room nothing is read, and that is not the other end's silence.
        if (socket.isPaused()) return
        context.trouble('a silent connection was closed')
        socket.destroy(new Error(`nothing came for ${options.idleMs} ms`))
      })
    }
    socket.on('data', (chunk: Buffer) => stream.bytes(chunk, context.clock.wallMs()))
    socket.on('error', error => {
      why = messageOf(error)
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
export class SocketClient implements Source {
  readonly #options: StreamOptions & { readonly greeting: Buffer }
  readonly #context: SourceContext
  readonly #stopping = new AbortController()
  readonly #gate = new PauseGate()
  #socket: Socket | undefined
  #loop: Promise<void> | undefined

  constructor(options: StreamOptions & { readonly greeting: Buffer }, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.#socket?.destroy()
    await this.#loop
  }

  pause(): void {
    this.#gate.close()
    this.#socket?.pause()
  }

  resume(): void {
    this.#gate.open()
    this.#socket?.resume()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.#stopping
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      let why: string
      try {
        this.#socket = await this.#connect()
        backoff.reset()
        if (this.#options.greeting.length > 0) this.#socket.write(this.#options.greeting)
        this.#context.state('reading')
        const ended = readToEnd(this.#socket, this.#options, this.#context)
        if (this.#gate.isClosed) this.#socket.pause()
        if (signal.aborted) this.#socket.destroy()
        why = await ended
      } catch (error) {
        why = messageOf(error)
      }
      if (signal.aborted) return
      this.#context.state('waiting', `${this.#options.name}: ${why}`)
      await pause(clock, backoff.nextMs(), signal).catch(() => {})
    }
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...this.#options.place, allowHalfOpen: false })
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
      socket.once('connect', () => {
        limit.cancel()
        socket.off('error', failed)
        socket.off('close', failed)
        resolve(socket)
      })
    })
  }
}

/**
 * Listens, and reads what every connection sends. While the buffer has no room all are paused: the senders' own system holds them back.
 *
 *   WAITING ──bound──► READING … ──stop──► STOPPED; an address that is in use is tried again, with backoff
 */
export class SocketListener implements Source {
  readonly #options: StreamOptions & { readonly connectionsMax: number }
  readonly #context: SourceContext
  readonly #prepare: () => Promise<void>
  readonly #bound: () => void
  readonly #stopping = new AbortController()
  readonly #gate = new PauseGate()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #loop: Promise<void> | undefined

  /** `prepare` runs before each attempt to bind, `bound` after it has succeeded. */
  constructor(
    options: StreamOptions & { readonly connectionsMax: number },
    context: SourceContext,
    hooks: { prepare: () => Promise<void>; bound: () => void } = { prepare: async () => {}, bound: () => {} },
  ) {
    this.#options = options
    this.#context = context
    this.#prepare = hooks.prepare
    this.#bound = hooks.bound
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    await this.#loop
    const server = this.#server
    if (!server) return
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  pause(): void {
    this.#gate.close()
    for (const socket of this.#sockets) socket.pause()
  }

  resume(): void {
    this.#gate.open()
    for (const socket of this.#sockets) socket.resume()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.#stopping
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      try {
        await this.#prepare()
        this.#server = await this.#listen()
        this.#bound()
        this.#context.state('reading')
        return
      } catch (error) {
        this.#context.state('waiting', `${this.#options.name}: ${messageOf(error)}`)
        await pause(clock, backoff.nextMs(), signal).catch(() => {})
      }
    }
  }

  #listen(): Promise<Server> {
    const server = createServer(socket => void this.#serve(socket))
    server.maxConnections = this.#options.connectionsMax
    server.on('drop', () => this.#context.trouble('a connection too many was refused'))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#options.place, () => {
        server.off('error', reject)
        server.on('error', error => this.#context.trouble(messageOf(error)))
        resolve(server)
      })
    })
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    const ended = readToEnd(socket, this.#options, this.#context)
    if (this.#gate.isClosed) socket.pause()
    await ended
    this.#sockets.delete(socket)
  }
}
