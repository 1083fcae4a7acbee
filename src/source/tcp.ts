import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { clientTlsOptions, tlsWithin } from './client-tls.ts'
import { escapedBytes } from './framing/options.ts'
import { addressText, parseAddress } from './socket-address.ts'
import { SocketClient, SocketListener } from './socket-streams.ts'
import { defineSource } from './source.ts'

export const tcpOptions = z
  .strictObject({
    connect: addressText.optional().describe('Address of the device or server to connect to, host:port.'),
    listen: addressText.optional().describe('Instead: where to listen, such as 0.0.0.0:5140.'),
    greeting: z
      .string()
      .max(1_000)
      .default('')
      .describe('Sent once after connecting, such as "SUBSCRIBE\\r\\n"; \\x02 writes a byte.'),
    connections_max: z
      .int()
      .min(1)
      .max(10_000)
      .default(100)
      .describe('Of a listener: more connections at once are refused and counted.'),
    tls: clientTlsOptions.optional().describe('Connects with TLS; its files are read anew for each connection.'),
    idle: duration({ min: '1s', max: '7d' }).optional().describe('A connection on which nothing came for so long is closed.'),
  })
  .refine(options => (options.connect === undefined) !== (options.listen === undefined), 'needs either `connect` or `listen`')
  .refine(
    options => options.tls === undefined || options.connect !== undefined,
    'cannot listen with TLS: `tls` is for what it connects to',
  )
export type TcpOptions = z.output<typeof tcpOptions>

/** Bytes over TCP: as a client, or from whoever connects. */
export const tcp = defineSource({
  kind: 'tcp',
  summary: 'Reads a TCP stream, as a client or as a listener; each connection is framed by itself.',
  options: tcpOptions,
  gives: 'stream',
  whenFull: 'block',
  resource: options => (options.listen === undefined ? undefined : { name: `tcp ${options.listen}`, shared: undefined }),
  within: ({ tls, ...options }, folder) => ({ ...options, ...(tls && { tls: tlsWithin(tls, folder) }) }),
  open: (options, context) => {
    const name = options.connect ?? options.listen ?? ''
    const place = parseAddress(name)
    if (!place) throw new HeadraceError('internal', `${name} passed as an address`)
    const common = { place, name, idleMs: options.idle }
    return options.connect === undefined
      ? new SocketListener({ ...common, connectionsMax: options.connections_max }, context)
      : new SocketClient({ ...common, greeting: escapedBytes(options.greeting), tls: options.tls }, context)
  },
})
