import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import rhea, { type Container, type Connection as RheaConnection } from 'rhea'
import type { Passed } from './frame-guard.ts'
import { PEER_FRAME_BYTES_MIN, PEER_IDLE_TIMEOUT_MAX_MS, PEER_IDLE_TIMEOUT_MIN_MS } from './limits.ts'

/*
  What connections of rhea 3.0.5 have inside, mended; gathered-output.ts has how they write, and rhea-sessions.ts what is below them:
    - lib/connection.js, output: the longest idle time-out that can be said, for peers that mean none, makes it a heartbeat a millisecond.
    - lib/sasl.js, PlainClient: cuts a name or a password off where they are not ASCII.
*/

const require = createRequire(import.meta.url)
const sasl = require('rhea/lib/sasl.js') as { client_mechanisms(): object }

interface ConnectionInside {
  readonly socket?: Socket
  readonly remote: { readonly open?: { readonly max_frame_size?: number; idle_time_out?: number } }
  input(bytes: Buffer): void
  accept(socket: Socket): void
  _disconnected(error?: Error): void
}

const within = (connection: RheaConnection) => connection as unknown as ConnectionInside

/** Bytes that say nothing, but that the peer is alive. */
const SIGN_OF_LIFE = Buffer.alloc(0)

/** Puts `take` before everything that rhea reads; what it refuses, rhea never sees. Call before the connection has its socket. */
export function guardInput(
  connection: RheaConnection,
  take: (bytes: Buffer) => Passed,
  refuse: (reason: string) => void,
  looked: () => void = () => {},
): void {
  const input = within(connection).input
  within(connection).input = function (this: ConnectionInside, bytes: Buffer) {
    const passed = take(bytes)
    if ('refused' in passed) return refuse(passed.refused)
    if (passed.whole.length === 0) input.call(this, SIGN_OF_LIFE)
    for (const part of passed.whole) {
      if (this.socket?.destroyed) return
      input.call(this, part)
    }
    looked()
  }
}

/** What is wrong with the limits that a peer gave when it opened; undefined where nothing is. One that may be silent for ever is taken at its word. */
export function wrongLimits(connection: RheaConnection): string | undefined {
  const { open } = within(connection).remote
  if (open?.idle_time_out && open.idle_time_out > PEER_IDLE_TIMEOUT_MAX_MS) open.idle_time_out = 0
  const { max_frame_size: frame, idle_time_out: idle } = open ?? {}
  if (frame !== undefined && frame < PEER_FRAME_BYTES_MIN) return `it asks for frames of ${frame} bytes`
  if (idle && idle < PEER_IDLE_TIMEOUT_MIN_MS) return `it wants to hear something every ${idle} ms`
  return undefined
}

export function socketOf(connection: RheaConnection): Socket | undefined {
  return within(connection).socket
}

/** Hands an accepted socket to rhea. */
export function acceptSocket(connection: RheaConnection, socket: Socket): void {
  within(connection).accept(socket)
}

/** Ends rhea's timers and links at once: it does not notice a socket that was destroyed. */
export function markDisconnected(connection: RheaConnection): void {
  within(connection)._disconnected()
}

export function createContainer(id: string): Container {
  return rhea.create_container({ id })
}

/** SASL PLAIN (RFC 4616): name and password in UTF-8. */
export function plainLogin({ name, password }: { readonly name: string; readonly password: string }): object {
  const response = Buffer.from(`\0${name}\0${password}`)
  const start = (answer: (error: undefined, response: Buffer) => void) => answer(undefined, response)
  return Object.assign(sasl.client_mechanisms(), { PLAIN: () => ({ start }) })
}

/** SASL EXTERNAL as rhea wants it: what it has to say was said by TLS. */
class ExternalMechanism {
  outcome: boolean | undefined
  readonly username: string | undefined

  start(): void {
    this.outcome = true
  }
}

/**
 * Lets a peer whose certificate has ended speak SASL EXTERNAL, as it would with a good one; rhea offers that only where TLS found nothing wrong. SASL
 * proves nothing here: who a peer is, is read from TLS alone.
 */
export function offerExternal(container: Container): void {
  const mechanisms = container.sasl_server_mechanisms as unknown as {
    enable_anonymous(): void
    EXTERNAL: () => object
  }
  mechanisms.enable_anonymous()
  mechanisms.EXTERNAL = () => new ExternalMechanism()
}
