import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'

const require = createRequire(import.meta.url)
const rheaFrames = require('rhea/lib/frames.js') as Record<string, (fields: object) => object> & {
  write_frame(frame: object): Buffer
}
const terminus = require('rhea/lib/terminus.js') as Record<'source' | 'target', (fields: object) => { described(): object }>

export const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])
export const SASL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0])

/** A frame as rhea's own codec writes it; `type` 1 is SASL. */
export function frame(kind: string, fields: object, payload?: Buffer, channel = 0, type = 0): Buffer {
  const make = rheaFrames[kind]
  if (!make) throw new Error(`no frame ${kind}`)
  return rheaFrames.write_frame({ channel, type, performative: make(fields), ...(payload && { payload }) })
}

export const open = (fields: object = {}) => frame('open', { container_id: 'hostile', max_frame_size: 65_536, ...fields })
export const begin = (channel = 0) =>
  frame('begin', { next_outgoing_id: 0, incoming_window: 100, outgoing_window: 100 }, undefined, channel)

/** As of a session in which nothing was sent. */
export const flow = (fields: object = {}) =>
  frame('flow', { next_incoming_id: 0, incoming_window: 100, next_outgoing_id: 0, outgoing_window: 100, ...fields })

export function attach(options: {
  handle: number
  name: string
  address?: string | null
  receives?: boolean
  channel?: number
}): Buffer {
  const address = options.address === undefined ? 'headrace/open' : options.address
  const far = address === null ? { dynamic: true } : { address }
  const fields = {
    name: options.name,
    handle: options.handle,
    role: options.receives === true,
    source: terminus.source(options.receives ? far : {}).described(),
    target: terminus.target(options.receives ? {} : far).described(),
    ...(!options.receives && { initial_delivery_count: 0 }),
  }
  return frame('attach', fields, undefined, options.channel ?? 0)
}

export const transfer = (fields: { handle: number; id?: number; more?: boolean; aborted?: boolean }, payload: Buffer) =>
  frame(
    'transfer',
    {
      handle: fields.handle,
      message_format: 0,
      settled: false,
      more: fields.more ?? false,
      aborted: fields.aborted ?? false,
      ...(fields.id !== undefined && { delivery_id: fields.id, delivery_tag: Buffer.from([fields.id & 255]) }),
    },
    payload,
  )

/** A frame with a body of our own under an open performative: what no codec would write. */
export function rawFrame(performative: Buffer, channel = 0): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + performative.length, 0)
  head[4] = 2
  head.writeUInt16BE(channel, 6)
  return Buffer.concat([head, performative])
}

/** Values that cost a reader far more than they cost their writer; each is the one field of an `open`. */
export const COSTLY: Readonly<Record<string, Buffer>> = {
  'a list of thirty million': Buffer.from([0xd0, 0, 0, 0, 8, 0x01, 0xc9, 0xc3, 0x80]),
  'an array of four thousand million nulls': Buffer.from([0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]),
  'lists in lists': Buffer.concat([...Array(9_000).fill(Buffer.from([0xc0, 0xff, 0xff])), Buffer.from([0x40])] as Buffer[]),
  'lists of millions in each other': Buffer.concat(
    Array.from({ length: 5_000 }, () => Buffer.from([0xd0, 0x7f, 0, 0, 0, 0x01, 0xc9, 0xc3, 0x80])),
  ),
  'descriptors of descriptors': Buffer.alloc(50_000, 0x00),
  'a hundred thousand nulls': Buffer.concat([
    Buffer.from([0xd0, 0, 1, 0x86, 0xa4, 0, 1, 0x86, 0xa0]),
    Buffer.alloc(100_000, 0x40),
  ]),
}

/** An `open` whose body is that value. */
export function costlyOpen(value: Buffer): Buffer {
  return rawFrame(Buffer.concat([Buffer.from([0x00, 0x53, 0x10]), value]))
}

/** A connection that writes what it is told, and hears whether it is cut off. */
export class HostilePeer {
  readonly #socket: Socket
  closed = false
  /** Resolves when the other end has had enough. */
  readonly gone: Promise<void>
  #heard = 0

  /** `socket`: how it connects, such as with TLS; plainly unless given. */
  constructor(port: number, options: { reads?: boolean; socket?: Socket } = {}) {
    this.#socket = options.socket ?? connect(port, '127.0.0.1')
    this.#socket.on('error', () => {})
    this.gone = new Promise(resolve =>
      this.#socket.once('close', () => {
        this.closed = true
        resolve()
      }),
    )
    if (options.reads ?? true) this.#socket.on('data', bytes => (this.#heard += bytes.length))
  }

  get heardBytes(): number {
    return this.#heard
  }

  /** Resolves when the system took the bytes, or the connection is gone. */
  async write(...parts: readonly Buffer[]): Promise<void> {
    for (const part of parts) {
      if (this.closed) return
      if (!this.#socket.write(part)) await Promise.race([this.gone, new Promise(resolve => this.#socket.once('drain', resolve))])
    }
  }

  /** FIN: nothing more comes, but it goes on listening. */
  halfClose(): void {
    this.#socket.end()
  }

  end(): void {
    this.#socket.destroy()
  }
}
