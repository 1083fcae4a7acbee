import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { size } from '../runtime/units.ts'
import { PauseGate } from './pause-gate.ts'
import { addressText, parseAddress } from './socket-address.ts'
import { defineSource, type Source, type SourceContext } from './source.ts'

const AGAIN_AFTER = { firstMs: 250, maxMs: 15_000 }

export const udpOptions = z.strictObject({
  listen: addressText.describe('Where to listen, such as 0.0.0.0:5140.'),
  multicast: z.string().min(1).optional().describe('A group to join, such as 239.1.2.3.'),
  from: z
    .array(z.string().min(1))
    .min(1)
    .max(1_000)
    .optional()
    .describe('Addresses whose datagrams are taken; those of others are counted and left out.'),
  receive_buffer: size({ min: '4KiB', max: '64MiB' })
    .default(2 ** 20)
    .describe('What the system holds between two looks; the system may allow less (net.core.rmem_max).'),
})
export type UdpOptions = z.output<typeof udpOptions>

/**
 * Each datagram is one record. UDP holds nobody back: while the buffer has no room and its policy is to block, what comes is lost, and counted here.
 */
class UdpListener implements Source {
  readonly #options: UdpOptions
  readonly #context: SourceContext
  readonly #stopping = new AbortController()
  readonly #gate = new PauseGate()
  readonly #from: ReadonlySet<string> | undefined
  #socket: Socket | undefined
  #loop: Promise<void> | undefined

  constructor(options: UdpOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#from = options.from && new Set(options.from)
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    await this.#loop
    const socket = this.#socket
    if (socket) await new Promise<void>(resolve => socket.close(() => resolve()))
  }

  pause(): void {
    this.#gate.close()
  }

  resume(): void {
    this.#gate.open()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.#stopping
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      try {
        this.#socket = await this.#bind()
        this.#context.state('reading')
        return
      } catch (error) {
        this.#context.state('waiting', `${this.#options.listen}: ${messageOf(error)}`)
        await pause(clock, backoff.nextMs(), signal).catch(() => {})
      }
    }
  }

  #bind(): Promise<Socket> {
    const { listen, multicast, receive_buffer } = this.#options
    const { host, port } = parseAddress(listen) ?? { host: '', port: 0 }
    const type = isIPv6(host) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, reuseAddr: multicast !== undefined })
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => {
        socket.close()
        reject(error)
      }
      socket.once('error', failed)
      socket.bind(port, host, () => {
        try {
          socket.setRecvBufferSize(receive_buffer)
          if (multicast !== undefined) socket.addMembership(multicast)
        } catch (error) {
          failed(error as Error)
          return
        }
        socket.off('error', failed)
        socket.on('error', error => this.#context.trouble(messageOf(error)))
        socket.on('message', (datagram, peer) => this.#take(datagram, peer))
        resolve(socket)
      })
    })
  }

  #take(datagram: Buffer, { address }: RemoteInfo): void {
    if (this.#from && !this.#from.has(address)) this.#context.trouble('a datagram from elsewhere')
    else if (this.#gate.isClosed) this.#context.trouble('a datagram was lost, the buffer being full')
    else if (datagram.length > 0) this.#context.message(datagram, this.#context.clock.wallMs())
  }
}

/** Datagrams over UDP. */
export const udp = defineSource({
  kind: 'udp',
  summary: 'Reads UDP datagrams, each one a record.',
  options: udpOptions,
  gives: 'messages',
  whenFull: 'drop_oldest',
  resource: options => (options.multicast === undefined ? { name: `udp ${options.listen}`, shared: undefined } : undefined),
  open: (options, context) => new UdpListener(options, context),
})
