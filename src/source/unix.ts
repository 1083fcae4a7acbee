import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { escapedBytes } from './framing/options.ts'
import { SocketClient, SocketListener } from './socket-streams.ts'
import { defineSource, pathsWithin } from './source.ts'

/** Of the kernel's sockaddr_un. */
const PATH_BYTES_MAX = 107
const path = z.string().min(1).max(PATH_BYTES_MAX)

export const unixOptions = z
  .strictObject({
    connect: path.optional().describe('Path of the socket to connect to.'),
    listen: path.optional().describe('Instead: path of the socket to make and listen on.'),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, 'has to be an octal number in quotes, such as "660"')
      .default('660')
      .describe("Of a listener: who may write to it, as chmod's octal number."),
    greeting: z.string().max(1_000).default('').describe('Sent once after connecting; \\x02 writes a byte.'),
    connections_max: z
      .int()
      .min(1)
      .max(10_000)
      .default(100)
      .describe('Of a listener: more connections at once are refused and counted.'),
    idle: duration({ min: '1s', max: '7d' }).optional().describe('A connection on which nothing came for so long is closed.'),
  })
  .refine(options => (options.connect === undefined) !== (options.listen === undefined), 'needs either `connect` or `listen`')
export type UnixOptions = z.output<typeof unixOptions>

/** A socket file that a process left behind is in the way; one on which somebody listens stays, and so does whatever is no socket. */
async function makeWayFor(file: string): Promise<void> {
  const folder = dirname(file)
  // What the system says of it is that it may not be done.
  if (!existsSync(folder)) throw new HeadraceError('not_found', `its folder ${folder} is not there`)
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket())
    throw new HeadraceError('source_failed', 'is there already, and is no socket: name another path, or move it away')
  const isAlive = await new Promise<boolean>(resolve => {
    const socket = connect(file)
    socket.once('connect', () => resolve(true))
    socket.once('error', error => resolve((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'))
    socket.once('close', () => socket.destroy())
    socket.once('connect', () => socket.destroy())
  })
  if (!isAlive) rmSync(file)
}

/** Bytes over a Unix socket of this machine. */
export const unix = defineSource({
  kind: 'unix',
  summary: 'Reads a Unix socket of this machine, as a client or as a listener; each connection is framed by itself.',
  options: unixOptions,
  gives: 'stream',
  whenFull: 'block',
  resource: options => (options.listen === undefined ? undefined : { name: options.listen, shared: undefined }),
  within: (options, folder) => pathsWithin(options, folder, 'connect', 'listen'),
  problems: options =>
    (['connect', 'listen'] as const)
      .filter(at => Buffer.byteLength(options[at] ?? '') > PATH_BYTES_MAX)
      .map(at => ({ at: [at], message: `is too long for a socket: ${options[at]} has more than ${PATH_BYTES_MAX} bytes` })),
  open: (options, context) => {
    const file = options.connect ?? options.listen ?? ''
    const common = { place: { path: file }, name: file, idleMs: options.idle }
    if (options.connect !== undefined) {
      return new SocketClient({ ...common, greeting: escapedBytes(options.greeting) }, context)
    }
    return new SocketListener({ ...common, connectionsMax: options.connections_max }, context, {
      prepare: () => makeWayFor(file),
      bound: () => chmodSync(file, Number.parseInt(options.mode, 8)),
    })
  },
})
