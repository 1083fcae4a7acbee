import fc from 'fast-check'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { Console } from '../../../src/console/console.ts'
import { coreMetrics } from '../../../src/console/metrics.ts'
import { consoleOptions } from '../../../src/console/options.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { SourceBench } from '../../source/harness.ts'
import { until } from '../../support/until.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { say } from '../harness/say.ts'
import { scratchFolder } from '../harness/scratch.ts'
import { target } from '../harness/target.ts'

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

const POSTS = [
  'POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd',
  'POST /in HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n',
  'POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 999999999999\r\n\r\nab',
  'POST /in HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n',
  'PUT //in?%%= HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \r\ncontent-length: 0\r\n\r\n',
].map(text => Buffer.from(text))

let http: Console | undefined
let port = 0
let said = 0

async function post(): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/in`, { method: 'POST', body: 'honest' })).status
}

const gateway = new SourceBench()

export const targets = [
  target({
    name: 'webhook: whatever is posted, the next one is taken',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(POSTS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      port = await freePort()
      gateway.start('webhook', { listen: `127.0.0.1:${port}`, path: '/in', max_bytes: '1KB' })
      await until('it listens', () => post().catch(() => undefined))
    },
    close: () => gateway.end(),
    async run({ bytes, lengths }) {
      await say({ port, host: '127.0.0.1' }, inPieces(bytes, lengths))
      for (const { text } of gateway.records.splice(0))
        if (text.length > 1_000) throw new Error(`${text.length} bytes were taken`)
      if (++said % HONEST_EVERY === 0 && (await post()) !== 200) throw new Error('an honest post was not taken')
    },
  }),
  target({
    name: 'HTTP: whatever is said, the next request is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(REQUESTS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      http = new Console({
        options: consoleOptions.parse({ listen: '127.0.0.1:0' }),
        stateDir: scratchFolder(),
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
