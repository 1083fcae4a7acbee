import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Connection as RheaConnection } from 'rhea'
import { Gathered } from './gathered.ts'

/*
  How connections of rhea 3.0.5 write, mended:
    - lib/connection.js, _write_frame: for each frame it ends a timer and begins another, and hands what it has to the socket.
    - lib/transport.js, write, and lib/frames.js, write_frame: copy what a frame carries twice, into memory that is set to zero before, and ask the
      system to send each frame by itself.
*/

const frames = createRequire(import.meta.url)('rhea/lib/frames.js') as { write_frame(frame: OutgoingFrame): Buffer }

interface OutgoingFrame {
  readonly performative?: object
  payload?: Buffer | Gathered | undefined
}

/** A frame as it is sent. */
type Pieces = readonly Buffer[]

interface TransportInside {
  /** Of frames, as rhea has it; all that it asks of it is how many there are. */
  pending: (Pieces | Error)[]
  encode(frame: OutgoingFrame): void
  write(socket: Socket): void
}

interface ConnectionInside {
  readonly amqp_transport: TransportInside
  output(): void
  _process(): void
}

/** Up to so many bytes of a frame are put together: each piece by itself costs more than its copy. */
const COPIED_BYTES_MAX = 2 * 1024
/** And of several such frames. */
const TOGETHER_BYTES_MAX = 64 * 1024

/** Frames of one turn leave with one call to the system, and what large ones carry is sent from where it lies. Call once the connection has its socket: it makes its transport anew then. */
export function gatherOutput(connection: RheaConnection): void {
  const inside = connection as unknown as ConnectionInside
  const { amqp_transport: transport, output, _process } = inside
  let isProcessing = false
  let hasOutput = false
  inside.output = function (this: ConnectionInside) {
    if (isProcessing) hasOutput = true
    else output.call(this)
  }
  inside._process = function (this: ConnectionInside) {
    isProcessing = true
    try {
      _process.call(this)
    } finally {
      isProcessing = false
      if (hasOutput) {
        hasOutput = false
        output.call(this)
      }
    }
  }
  const write = transport.write
  // Encoded at once, and not when it is written: what a frame says of an error is taken back as soon as it was handed over.
  transport.encode = function (this: TransportInside, frame) {
    this.pending.push(encoded(frame))
  }
  transport.write = function (this: TransportInside, socket: Socket) {
    const { pending } = this
    this.pending = []
    write.call(this, socket)
    if (pending.length === 0) return
    socket.cork()
    const failed = pending.findIndex(pieces => pieces instanceof Error)
    writeFrames((failed < 0 ? pending : pending.slice(0, failed)) as Pieces[], socket)
    socket.uncork()
    // Where rhea writes it knows what to do about it: the connection ends with it.
    if (failed >= 0) throw pending[failed]
  }
}

function writeFrames(pending: readonly Pieces[], socket: Socket): void {
  let together: Buffer[] = []
  let togetherBytes = 0
  const writeTogether = () => {
    if (togetherBytes > 0) socket.write(Buffer.concat(together, togetherBytes))
    together = []
    togetherBytes = 0
  }
  for (const pieces of pending) {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    if (bytes > COPIED_BYTES_MAX || togetherBytes + bytes > TOGETHER_BYTES_MAX) writeTogether()
    if (bytes > COPIED_BYTES_MAX) for (const piece of pieces) socket.write(piece)
    else {
      together.push(...pieces)
      togetherBytes += bytes
    }
  }
  writeTogether()
}

/** What cannot be said is found out where it is written. */
function encoded(frame: OutgoingFrame): Pieces | Error {
  try {
    return piecesOf(frame)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** AMQP 1.0 part 2, 2.3.1: a frame begins with its size, which counts what it carries. */
function piecesOf(frame: OutgoingFrame): Pieces {
  const { payload } = frame
  frame.payload = undefined
  const head = frames.write_frame(frame)
  if (!payload) return [head]
  head.writeUInt32BE(head.length + payload.length, 0)
  return payload instanceof Gathered ? [head, ...payload.pieces] : [head, payload]
}
