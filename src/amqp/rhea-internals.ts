import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import rhea, { type Container, type Connection as RheaConnection } from 'rhea'
import type { Passed } from './frame-guard.ts'
import { Gathered } from './gathered.ts'
import { PEER_FRAME_BYTES_MIN, PEER_IDLE_TIMEOUT_MAX_MS, PEER_IDLE_TIMEOUT_MIN_MS } from './limits.ts'

/*
  What connections of rhea 3.0.5 have inside, mended; rhea-sessions.ts has what is below them:
    - lib/connection.js, output: the longest idle time-out that can be said, for peers that mean none, makes it a heartbeat a millisecond.
    - lib/sasl.js, PlainClient: cuts a name or a password off where they are not ASCII.
    - lib/transport.js, write, and lib/frames.js, write_frame: copy what a frame carries twice, into memory that is set to zero before, and ask the
      system to send each frame by itself.
*/

const require = createRequire(import.meta.url)
const frames = require('rhea/lib/frames.js') as { write_frame(frame: OutgoingFrame): Buffer }

const sasl = require('rhea/lib/sasl.js') as { client_mechanisms(): object }

interface OutgoingFrame {
  readonly performative?: object
  payload?: Buffer | Gathered | undefined
}

interface ConnectionInside {
  readonly socket?: Socket
  readonly remote: { readonly open?: { readonly max_frame_size?: number; idle_time_out?: number } }
  readonly amqp_transport: TransportInside
  input(bytes: Buffer): void
  accept(socket: Socket): void
  _disconnected(error?: Error): void
}

interface TransportInside {
  pending: OutgoingFrame[]
  readonly header_sent?: object
  write(socket: Socket): void
}

const within = (connection: RheaConnection) => connection as unknown as ConnectionInside

/** Frames of one tick leave with one call to the system, and what they carry is sent from where it lies. Call once the connection has its socket: it makes its transport anew then. */
export function gatherOutput(connection: RheaConnection): void {
  const transport = within(connection).amqp_transport
  const write = transport.write
  transport.write = function (this: TransportInside, socket: Socket) {
    const pending = this.pending
    this.pending = []
    write.call(this, socket)
    if (pending.length > 0 && socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    for (const frame of pending) writeFrame(frame, socket)
  }
}

/** Up to so many bytes of a frame are put together: each piece by itself costs more than its copy. */
const COPIED_BYTES_MAX = 2 * 1024

/** AMQP 1.0 part 2, 2.3.1: a frame begins with its size, which counts what it carries. */
function writeFrame(frame: OutgoingFrame, socket: Socket): void {
  const { payload } = frame
  frame.payload = undefined
  const head = frames.write_frame(frame)
  if (!payload) {
    socket.write(head)
    return
  }
  const bytes = head.length + payload.length
  head.writeUInt32BE(bytes, 0)
  const pieces = payload instanceof Gathered ? payload.pieces : [payload]
  if (bytes <= COPIED_BYTES_MAX) {
    socket.write(Buffer.concat([head, ...pieces], bytes))
    return
  }
  socket.write(head)
  for (const piece of pieces) socket.write(piece)
}

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
