import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'

const require = createRequire(import.meta.url)
/** rhea's own codec of frames, to write what its client never would. */
const frames = require('rhea/lib/frames.js') as Record<string, (fields: object, channel?: number, payload?: Buffer) => object> & {
  write_frame(frame: object): Buffer
}
const terminus = require('rhea/lib/terminus.js') as Record<'source' | 'target', (fields: object) => { described(): object }>
const { message } = require('rhea') as { message: { encode(content: object): Buffer; data_section(bytes: Buffer): object } }

const PROTOCOL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])
const TARGET = 'in'
/** How a flow begins, by which credit is given (AMQP 1.0, 2.7.4). */
const FLOW = Buffer.from([0x00, 0x53, 0x13])
/** The answers to an attach are some hundred bytes. */
const HEARD_BYTES_MAX = 64 * 1_024

/** A peer that writes frames by hand: AMQP 1.0 without SASL, one session, one sending link. Of what comes back it knows credit when it sees it. */
export class RawSender {
  readonly #socket: Socket
  #delivery = 0
  #heard: Buffer = Buffer.alloc(0)
  closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
    socket.on('data', bytes => {
      this.#heard = Buffer.concat([this.#heard, bytes]).subarray(0, HEARD_BYTES_MAX)
    })
  }

  get hasCredit(): boolean {
    return this.#heard.includes(FLOW)
  }

  static async attach(port: number): Promise<RawSender> {
    const socket = connect(port, '127.0.0.1')
    await new Promise(resolve => socket.once('connect', resolve))
    const sender = new RawSender(socket)
    socket.write(PROTOCOL_HEADER)
    sender.#write('open', { container_id: 'raw', max_frame_size: 65_536 })
    sender.#write('begin', { next_outgoing_id: 0, incoming_window: 100, outgoing_window: 100 })
    sender.#write('attach', {
      name: 'raw',
      handle: 0,
      role: false,
      source: terminus.source({}).described(),
      target: terminus.target({ address: TARGET }).described(),
      initial_delivery_count: 0,
    })
    return sender
  }

  static encode(body: Buffer): Buffer {
    return message.encode({ body: message.data_section(body) })
  }

  /** One transfer frame; `parts` that follow the first of a delivery carry on with it. */
  transfer(payload: Buffer, options: { more?: boolean; aborted?: boolean; follows?: boolean; unnumbered?: boolean } = {}): void {
    const { more = false, aborted = false, follows = false, unnumbered = false } = options
    const id = follows || unnumbered ? {} : { delivery_id: this.#delivery, delivery_tag: Buffer.from([this.#delivery++]) }
    this.#write('transfer', { handle: 0, message_format: 0, settled: false, more, aborted, ...id }, payload)
  }

  end(): void {
    this.#socket.destroy()
  }

  #write(kind: string, fields: object, payload?: Buffer): void {
    const make = frames[kind]
    if (!make) throw new Error(`no frame ${kind}`)
    this.#socket.write(frames.write_frame({ channel: 0, type: 0, performative: make(fields), payload }))
  }
}
