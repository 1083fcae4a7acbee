import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Console } from '../../../src/console/console.ts'
import { coreMetrics } from '../../../src/console/metrics.ts'
import { consoleOptions } from '../../../src/console/options.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { say } from '../harness/say.ts'
import { target } from '../harness/target.ts'

const folder = mkdtempSync(join(tmpdir(), 'headrace-http-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const HONEST_EVERY = 25
const NOTHING = { version: '1', gateways: [], reports: [], sources: [], jobs: [], analysers: [], alarms: [] }

const REQUESTS = [
  'GET /status HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n',
  'GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic Og==\r\n\r\n',
  'POST /api/session HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
  'GET /api/live HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: headrace=a; headrace=b\r\n\r\n',
  'GET /assets/%2e%2e%2fconsole.ts HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n',
  'GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd',
  'POST /status HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n',
  'GET http://[::1 HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET /status HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
].map(text => Buffer.from(text))

let http: Console | undefined
let port = 0
let said = 0

export const targets = [
  target({
    name: 'HTTP: whatever is said, the next request is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(REQUESTS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      http = new Console({
        options: consoleOptions.parse({ listen: '127.0.0.1:0' }),
        stateDir: folder,
        sides: { core: { status: async () => NOTHING, metrics: async () => coreMetrics(NOTHING) } },
        version: '0',
        clock: systemClock,
        logger: silentLogger,
      })
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
