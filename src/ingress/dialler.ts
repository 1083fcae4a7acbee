import type { Connection } from '../amqp/amqp.ts'
import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** Between two attempts to connect, ms. */
const DIAL_AGAIN_AFTER = { firstMs: 200, maxMs: 5_000 }

/** A router or broker that an ingress connects to. */
export interface Upstream {
  readonly url: string
  /** One open connection; has a limit of its own. */
  connect(): Promise<Connection>
}

export interface DiallerDeps {
  readonly upstream: Upstream
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
}

/**
 * Keeps one connection to a router or broker.
 *
 *   DIALLING ──open──► SERVED ──closed, or what is asked of it is refused──► WAITING ──backoff──► DIALLING
 */
export class Dialler {
  readonly #deps: DiallerDeps
  readonly #stopping = new AbortController()
  readonly #backoff: Backoff
  #connection: Connection | undefined
  #serving = false
  #running: Promise<void> = Promise.resolve()

  constructor(deps: DiallerDeps) {
    this.#deps = deps
    this.#backoff = new Backoff(DIAL_AGAIN_AFTER, deps.random)
  }

  get url(): string {
    return this.#deps.upstream.url
  }

  /** Whether a connection stands and is served. */
  get connected(): boolean {
    return this.#serving
  }

  /** `serve` makes a connection useful; where it rejects, the connection is given up. */
  start(serve: (connection: Connection) => Promise<void>): void {
    this.#running = this.#run(serve)
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#connection?.close()
    await this.#running
  }

  async #run(serve: (connection: Connection) => Promise<void>): Promise<void> {
    const { clock, logger } = this.#deps
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#converse(serve)
      } catch (cause) {
        logger.warn({ url: this.url, reason: messageOf(cause) }, 'a router or broker cannot be used')
      }
      await pause(clock, this.#backoff.nextMs(), this.#stopping.signal).catch(() => {})
    }
  }

  async #converse(serve: (connection: Connection) => Promise<void>): Promise<void> {
    const { upstream, logger } = this.#deps
    const connection = await upstream.connect()
    this.#connection = connection
    try {
      if (this.#stopping.signal.aborted) return
      await serve(connection)
      this.#serving = true
      this.#backoff.reset()
      logger.info({ url: this.url }, 'connected')
      const error = await connection.closed
      logger.warn(
        { url: this.url, ...(error && { reason: `${error.condition} ${error.description}` }) },
        'the connection is gone',
      )
    } finally {
      this.#serving = false
      this.#connection = undefined
      connection.close()
    }
  }
}
