import type {
  EventContext,
  Connection as RheaConnection,
  Receiver as RheaReceiver,
  Sender as RheaSender,
  Session as RheaSession,
} from 'rhea'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Connection, Delivery, PeerError, PeerIdentity, Receiver, Sender } from './amqp.ts'
import { SafeReceiver } from './receiver.ts'
import { markDisconnected, socketOf } from './rhea-internals.ts'
import { mendSession, onSessionEnd, type Unfinished } from './rhea-sessions.ts'
import { peerError, SafeSender } from './sender.ts'

/** Between our `close` and the end of the connection where the peer does not answer, ms. */
const CLOSE_LIMIT_MS = 2_000

/** One connection on rhea, mended. It ends once: everything on it ends with it, and nothing is brought back. */
export class SafeConnection implements Connection {
  readonly identity: PeerIdentity
  readonly remote: string
  readonly closed: Promise<PeerError | undefined>
  readonly #connection: RheaConnection
  readonly #clock: Clock
  readonly #log: Pick<Logger, 'warn' | 'error'>
  readonly #unfinished: Unfinished
  readonly #links = new Set<{ end(error: PeerError | undefined): void }>()
  readonly #resolveClosed: (error: PeerError | undefined) => void
  #ended = false
  #error: PeerError | undefined

  constructor(
    connection: RheaConnection,
    identity: PeerIdentity,
    unfinished: Unfinished,
    clock: Clock,
    log: Pick<Logger, 'warn' | 'error'>,
  ) {
    this.#connection = connection
    this.#unfinished = unfinished
    this.identity = identity
    this.#clock = clock
    this.#log = log
    const socket = socketOf(connection)
    this.remote = `${socket?.remoteAddress}:${socket?.remotePort}`
    const { promise, resolve } = Promise.withResolvers<PeerError | undefined>()
    this.closed = promise
    this.#resolveClosed = resolve
    connection.on('connection_error', () => {
      this.#error ??= peerError(connection.error)
    })
    connection.on('connection_close', () => {
      // The peer's last word is said; rhea answers it in the next tick.
      setImmediate(() => this.destroy())
    })
    connection.on('disconnected', context => this.#end(context.error))
    for (const event of ['error', 'protocol_error'] as const) connection.on(event, error => this.#broken(error))
    // rhea notices an end of the stream only, not a socket that was destroyed.
    socket?.once('close', () => this.#end(undefined))
  }

  async openSender(options: { address: string | null; capabilities?: readonly string[]; timeoutMs: number }): Promise<Sender> {
    this.#assertAlive()
    const session = this.#connection.create_session()
    mendSession(session, this.#unfinished)
    session.begin()
    const target = {
      ...(options.address !== null && { address: options.address }),
      ...(options.capabilities && { capabilities: [...options.capabilities], durable: 2 as const }),
    }
    const link = session.open_sender({ target, autosettle: true, treat_modified_as_released: false } as Parameters<
      RheaSession['open_sender']
    >[0])
    await this.#attached(link, 'sender_open', options.timeoutMs, options.address ?? 'any address', session)
    return this.adoptSender(link, options.address ?? '', session, true)
  }

  async openReceiver(options: {
    address: string | null
    capabilities?: readonly string[]
    timeoutMs: number
    onDelivery: (delivery: Delivery) => void
  }): Promise<Receiver> {
    this.#assertAlive()
    const session = this.#connection.create_session()
    mendSession(session, this.#unfinished)
    session.begin()
    const source = {
      ...(options.address === null ? { dynamic: true } : { address: options.address }),
      ...(options.capabilities && { capabilities: [...options.capabilities], durable: 2 as const }),
    }
    const link = session.open_receiver({ source, autoaccept: false, credit_window: 0 } as Parameters<
      RheaSession['open_receiver']
    >[0])
    await this.#attached(link, 'receiver_open', options.timeoutMs, options.address ?? 'a dynamic address', session)
    return this.adoptReceiver(link, link.source?.address ?? options.address ?? '', options.onDelivery)
  }

  /** Takes a link that is attached already. */
  adoptSender(link: RheaSender, address: string, session: RheaSession, ownsSession: boolean): SafeSender {
    return this.#keep(new SafeSender(link, address, session, ownsSession), session)
  }

  adoptReceiver(link: RheaReceiver, address: string, onDelivery: (delivery: Delivery) => void): SafeReceiver {
    return this.#keep(new SafeReceiver(link, address, onDelivery, this.#log), link.session)
  }

  get linkCount(): number {
    return this.#links.size
  }

  close(error?: PeerError): void {
    if (this.#ended) return
    this.#connection.close(error)
    this.#clock.after(CLOSE_LIMIT_MS, () => this.destroy(), 'background')
  }

  destroy(): void {
    socketOf(this.#connection)?.destroy()
    this.#end(undefined)
  }

  /** Ends it because of what the peer did. */
  refuse(error: PeerError): void {
    this.#error ??= error
    this.destroy()
  }

  #keep<Link extends SafeSender | SafeReceiver>(link: Link, session: RheaSession): Link {
    this.#links.add(link)
    const unwatch = onSessionEnd(session, error => link.end(peerError(error)))
    void link.closed.then(() => {
      this.#links.delete(link)
      unwatch()
    })
    if (this.#ended) link.end(this.#error)
    return link
  }

  #assertAlive(): void {
    if (this.#ended) throw new HeadraceError('link_lost', `the connection to ${this.remote} is gone`)
  }

  /** A link counts as open when the peer's attach has come; one that is refused is attached and detached in one breath. */
  #attached(
    link: RheaSender | RheaReceiver,
    event: string,
    timeoutMs: number,
    what: string,
    session: RheaSession,
  ): Promise<void> {
    const role = event === 'sender_open' ? 'sender' : 'receiver'
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        limit.cancel()
        unwatch()
        this.#links.delete(waiter)
        settle()
      }
      const fail = (code: 'link_refused' | 'link_lost' | 'timeout', text: string, cause?: PeerError) =>
        done(() => {
          // rhea answers the peer's detach in the next tick; on a session that has ended, the peer would end the connection for it.
          setImmediate(() => !this.#ended && session.close())
          reject(new HeadraceError(code, text, { cause }))
        })
      const refused = (sessionError?: unknown) => {
        const error = peerError(link.error ?? sessionError)
        fail(
          'link_refused',
          `${this.remote} refused a ${role} for ${what}: ${error ? `${error.condition} ${error.description}` : 'no reason given'}`,
          error,
        )
      }
      const waiter = {
        end: () => fail('link_lost', `the connection to ${this.remote} ended before a ${role} for ${what} was attached`),
      }
      const limit = this.#clock.after(timeoutMs, () =>
        fail('timeout', `${this.remote} did not attach a ${role} for ${what} within ${timeoutMs} ms`),
      )
      this.#links.add(waiter)
      const once = link.once.bind(link) as (name: string, call: (context: EventContext) => void) => void
      once(`${role}_error`, () => refused())
      once(`${role}_close`, () => refused())
      const unwatch = onSessionEnd(session, refused)
      // The detach of a refused link comes in the same read as its attach.
      once(event, () => setImmediate(() => link.is_open() && done(resolve)))
    })
  }

  #broken(error: unknown): void {
    const description = error instanceof Error ? error.message : String(error)
    this.#log.warn({ remote: this.remote }, `an AMQP connection broke: ${description}`)
    this.#error ??= { condition: 'amqp:connection:framing-error', description }
    this.destroy()
  }

  #end(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error ??= error instanceof Error ? { condition: 'headrace:disconnected', description: error.message } : undefined
    markDisconnected(this.#connection)
    for (const link of [...this.#links]) link.end(this.#error)
    this.#links.clear()
    this.#resolveClosed(this.#error)
  }
}
