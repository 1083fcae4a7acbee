import type { Connection } from '../amqp/amqp.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

/** How often it is looked whose certificate has ended, ms: the wall clock may be set at any moment, and no timer hears of it. */
const LOOK_EVERY_MS = 10_000

/** TLS judges a certificate when a connection is made. While the connection stands, this does it: by the same clock, and without any grace, as TLS. */
export class CertificateEnds {
  readonly #clock: Clock
  readonly #onEnded: (connection: Connection, endedMs: number) => void
  readonly #endsMs = new Map<Connection, number>()
  #timer: Timer | undefined

  constructor(clock: Clock, onEnded: (connection: Connection, endedMs: number) => void) {
    this.#clock = clock
    this.#onEnded = onEnded
  }

  /** A connection is open. One that took up a TLS session of before may come after its certificate has ended. */
  watch(connection: Connection): void {
    const { endsMs } = connection.identity
    if (endsMs === undefined) return
    this.#endsMs.set(connection, endsMs)
    void connection.closed.then(() => this.#endsMs.delete(connection))
    this.#judge(connection, endsMs)
    this.#lookLater()
  }

  close(): void {
    this.#timer?.cancel()
  }

  #lookLater(): void {
    this.#timer ??= this.#clock.after(LOOK_EVERY_MS, () => this.#look(), 'background')
  }

  #look(): void {
    this.#timer = undefined
    for (const [connection, endsMs] of this.#endsMs) this.#judge(connection, endsMs)
    if (this.#endsMs.size > 0) this.#lookLater()
  }

  #judge(connection: Connection, endsMs: number): void {
    if (this.#clock.wallMs() < endsMs) return
    this.#endsMs.delete(connection)
    this.#onEnded(connection, endsMs)
  }
}
