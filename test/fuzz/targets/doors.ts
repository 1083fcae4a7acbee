import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { control } from '../../../src/console/control-client.ts'
import { ControlServer } from '../../../src/console/control-server.ts'
import { HttpStatus } from '../../../src/console/http-status.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { target } from '../harness/target.ts'

const folder = mkdtempSync(join(tmpdir(), 'headrace-doors-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'control.sock')
const HONEST_EVERY = 25

const CALLS = [
  '{"call":"status","args":{}}\n',
  '{"call":"constructor"}\n',
  '{"call":"__proto__","args":{"__proto__":{}}}\n',
  '{"call":"stream"}\n',
  '{"call":"status"}\n{"call":"status"}\n',
  '[[[[[[\n',
].map(text => Buffer.from(text))
const REQUESTS = [
  'GET /status HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd',
  'POST /status HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n',
  'GET http://[::1 HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET /status HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
].map(text => Buffer.from(text))

/** Says it, hears what comes, and goes. */
function say(to: { path: string } | { port: number; host: string }, pieces: readonly Buffer[]): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(to)
    socket.on('error', () => {})
    socket.once('close', () => resolve())
    socket.once('data', () => socket.destroy())
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
}

let server: ControlServer | undefined
let http: HttpStatus | undefined
let port = 0
let said = 0

async function* stream(): AsyncGenerator<number> {
  for (let item = 0; item < 100; item++) yield item
}

export const targets = [
  target({
    name: 'control socket: whatever is said, the next call is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(CALLS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      // A thread has no umask of its own; a process has, and that is where the socket's permissions are tested.
      process.umask = () => 0o022
      server = new ControlServer(path, { status: async () => ({ fine: true }), stream }, silentLogger)
      await server.start()
    },
    close: async () => server?.stop(),
    async run({ bytes, lengths }) {
      await say({ path }, inPieces(bytes, lengths))
      if (++said % HONEST_EVERY !== 0) return
      const answer = await control<{ fine: boolean }>(path, 'status')
      if (!answer.fine) throw new Error('an honest call was not answered')
    },
  }),
  target({
    name: 'HTTP: whatever is said, the next request is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(REQUESTS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      http = new HttpStatus('127.0.0.1:0', async () => ({ alarms: [] }))
      port = Number(new URL(await http.start()).port)
    },
    close: async () => http?.stop(),
    async run({ bytes, lengths }) {
      await say({ port, host: '127.0.0.1' }, inPieces(bytes, lengths))
      if (++said % HONEST_EVERY !== 0) return
      const { status } = await fetch(`http://127.0.0.1:${port}/status`)
      if (status !== 200) throw new Error(`an honest request got ${status}`)
    },
  }),
]
