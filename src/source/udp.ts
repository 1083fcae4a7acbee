import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { z } from 'zod'
import { messageOf } from '../runtime/errors.ts'
import { size } from '../runtime/units.ts'
import { OpeningSource } from './opening-source.ts'
import { addressText, parseAddress } from './socket-address.ts'
import { defineSource, type SourceContext } from './source.ts'

/* RFC 5771 and RFC 4291, 2.7 */
const GROUPS = new BlockList()
GROUPS.addSubnet('224.0.0.0', 4, 'ipv4')
GROUPS.addSubnet('ff00::', 8, 'ipv6')
const versionOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
const isGroup = (text: string) => isIP(text) > 0 && GROUPS.check(text, versionOf(text))

function listOf(addresses: readonly string[]): BlockList {
  const list = new BlockList()
  for (const each of addresses) list.addAddress(each, versionOf(each))
  return list
}

export const udpOptions = z.strictObject({
  listen: addressText.describe('Where to listen, such as 0.0.0.0:5140.'),
  multicast: z
    .string()
    .refine(isGroup, 'is no address of a group, such as 239.1.2.3')
    .optional()
    .describe('A group to join, such as 239.1.2.3.'),
  from: z
    .array(z.string().refine(text => isIP(text) > 0, 'has to be an address, such as 10.0.0.7'))
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
class UdpListener extends OpeningSource<Socket> {
  readonly #options: UdpOptions
  readonly #from: BlockList | undefined

  constructor(options: UdpOptions, context: SourceContext) {
    super(options.listen, context)
    this.#options = options
    this.#from = options.from && listOf(options.from)
  }

  protected override close(socket: Socket): Promise<void> {
    return new Promise(resolve => socket.close(() => resolve()))
  }

  protected override open(): Promise<Socket> {
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
        socket.on('error', error => this.context.trouble(messageOf(error)))
        socket.on('message', (datagram, peer) => this.#take(datagram, peer))
        resolve(socket)
      })
    })
  }

  #take(datagram: Buffer, { address }: RemoteInfo): void {
    // One of IPv4 comes to a socket of IPv6 as ::ffff:10.0.0.7, and is found by its own.
    if (this.#from && !this.#from.check(address, versionOf(address))) this.context.trouble('a datagram from elsewhere')
    else if (this.gate.isClosed) this.context.trouble('a datagram was lost, the buffer being full')
    else if (datagram.length > 0) this.context.message(datagram, this.context.clock.wallMs())
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
