import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { type ControlReply, REQUEST_BYTES_MAX, SOCKET_PATH_BYTES_MAX } from './control-protocol.ts'
import { drained } from './drained.ts'

/** Connections at once: people and scripts, not a service. */
const CONNECTIONS_MAX = 64
/** How long a peer may take to say what it wants, ms. */
const REQUEST_LIMIT_MS = 5_000
const NEWLINE = 0x0a

/** Answers a call: with a value, or with a stream of items that ends when the signal is aborted. */
export type ControlHandler = (
  args: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
) => Promise<unknown> | AsyncIterable<unknown>

/** Calls by name. */
export type ControlCalls = Readonly<Record<string, ControlHandler>>

const requestSchema = z.object({ call: z.string(), args: z.record(z.string(), z.unknown()).default({}) })

/** The socket through which commands reach a running process; only the user it runs as may open it. */
export class ControlServer {
  readonly #path: string
  readonly #handlers: Readonly<Record<string, ControlHandler>>
  readonly #log: Logger
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(path: string, handlers: Readonly<Record<string, ControlHandler>>, log: Logger) {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
      throw new HeadraceError(
        'config_invalid',
        `the path of the control socket is longer than a socket's may be (${SOCKET_PATH_BYTES_MAX} bytes): ${path}`,
        {
          advice: 'Choose a state directory with a shorter path.',
        },
      )
    }
    this.#path = path
    this.#handlers = handlers
    this.#log = log
    this.#server = createServer(socket => this.#accept(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  async start(): Promise<void> {
    // Left by a process that was killed: whoever holds the state directory's lock may take its place.
    rmSync(this.#path, { force: true })
    const mask = process.umask(0o077)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen(this.#path, resolve)
      })
    } finally {
      process.umask(mask)
    }
    this.#server.on('error', error => this.#log.error({}, `the control socket failed: ${error.message}`))
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    rmSync(this.#path, { force: true })
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const gone = new AbortController()
    const limit = setTimeout(() => socket.destroy(), REQUEST_LIMIT_MS)
    let parts: Buffer[] = []
    let bytes = 0
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(limit)
      this.#sockets.delete(socket)
      gone.abort(new Error('the caller has gone'))
    })
    const listen = (chunk: Buffer) => {
      parts.push(chunk)
      bytes += chunk.length
      if (bytes > REQUEST_BYTES_MAX) {
        socket.destroy()
        return
      }
      if (!chunk.includes(NEWLINE)) return
      socket.off('data', listen)
      clearTimeout(limit)
      const line = Buffer.concat(parts).toString('utf8')
      parts = []
      socket.resume()
      void this.#answer(socket, line, gone.signal)
    }
    socket.on('data', listen)
  }

  async #answer(socket: Socket, line: string, signal: AbortSignal): Promise<void> {
    const reply = (message: ControlReply) => socket.write(`${JSON.stringify(message)}\n`)
    try {
      const request = requestSchema.parse(JSON.parse(line))
      const handler = Object.hasOwn(this.#handlers, request.call) ? this.#handlers[request.call] : undefined
      if (!handler) throw new HeadraceError('not_found', `this process knows no call "${request.call}"`)
      const answer = handler(request.args, signal)
      if (Symbol.asyncIterator in answer) {
        for await (const item of answer) {
          if (!reply({ item }) && !socket.destroyed) await drained(socket)
          if (signal.aborted) return
        }
        reply({ result: null })
      } else reply({ result: (await answer) ?? null })
    } catch (error) {
      if (signal.aborted) return
      const known = error instanceof HeadraceError
      const advice = known ? error.advice : undefined
      reply({
        error: { code: known ? error.code : 'internal', message: messageOf(error), ...(advice !== undefined && { advice }) },
      })
    }
    socket.end()
  }
}
