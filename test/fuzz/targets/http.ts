import fc from 'fast-check'
import { HttpStatus } from '../../../src/console/http-status.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { say } from '../harness/say.ts'
import { target } from '../harness/target.ts'

const HONEST_EVERY = 25
const NOTHING = { version: '1', gateways: [], sources: [], jobs: [], analysers: [], alarms: [] }

const REQUESTS = [
  'GET /status HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd',
  'POST /status HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n',
  'GET http://[::1 HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET /status HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
].map(text => Buffer.from(text))

let http: HttpStatus | undefined
let port = 0
let said = 0

export const targets = [
  target({
    name: 'HTTP: whatever is said, the next request is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(REQUESTS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      http = new HttpStatus('127.0.0.1:0', async () => NOTHING)
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
