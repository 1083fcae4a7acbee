import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import { until } from '../support/until.ts'
import { linesOf, Up } from './up-process.ts'

interface AlertJson {
  readonly key: string
  readonly state: 'raised' | 'cleared'
  readonly source: string
  readonly values: Readonly<Record<string, number>>
}

interface Posted {
  readonly headers: IncomingHttpHeaders
  readonly alert: AlertJson
}

const RECEIVE = 'cat > "out/$$.part" && cat "out/$$.part" >> out/alerts && echo "$HEADRACE_ALERT_KEY" >> out/keys'
const LINES_EVERY_MS = 40
const COOL_C = 70
const HOT_C = 95

/** A compressor on a serial port; the oil is as hot as the test says. */
let device: Pty
let oilC: number
let speaking: NodeJS.Timeout
/** What posted alerts are answered with, in turn; 200 after the last. */
let answers: number[]
let posted: Posted[]
let server: Server
let up: Up

beforeEach(async () => {
  device = await Pty.open()
  oilC = COOL_C
  speaking = setInterval(() => device.write(`2.10,12.40,${oilC}.0\r\n`), LINES_EVERY_MS)
  answers = []
  posted = []
  const port = await freePort()
  server = createServer(async (request, response) => {
    const chunks = await request.toArray().catch(() => undefined)
    // A process that is killed leaves its request half sent.
    if (!chunks || !request.complete) return
    posted.push({ headers: request.headers, alert: JSON.parse(Buffer.concat(chunks).toString('utf8')) as AlertJson })
    response.writeHead(answers.shift() ?? 200).end('{}')
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  up = new Up(
    `pipeline: store
sources:
  compressor:
    serial: { path: ${device.path} }
    frame: { delimiter: "\\r\\n" }
    decode: { csv: [suction_bar, discharge_bar, oil_c] }
analysers:
  oil-too-hot:
    sources: [compressor]
    every: 200ms
    when: avg(oil_c) > 90
    clear_when: max(oil_c) < 85
    alert: { command: [./receive.sh], webhook: "http://127.0.0.1:${port}/hook", topic: store-alerts }
`,
    { 'receive.sh': RECEIVE },
  )
})

afterEach(async () => {
  clearInterval(speaking)
  await up.end()
  await device.close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const byCommand = () => (up.exists('out/alerts') ? (linesOf(up.read('out/alerts')) as unknown as AlertJson[]) : [])

/** Waits until lines from the port are in the log and the analyser has read them. */
const watched = () =>
  until('the analyser watches the compressor', async () => {
    const { edge, core } = await up.status()
    return (edge.sources[0]?.settled ?? 0) > 0 && core.analysers[0]?.sources === 1
  })

/** Waits until the analyser has read this many records more. */
async function readOn(records: number): Promise<void> {
  const settled = async () => (await up.status()).edge.sources[0]?.settled ?? 0
  const before = await settled()
  await until(`${records} records more`, async () => (await settled()) >= before + records)
}

test('oil that gets too hot is told to the command, the webhook and the topic, once each, and its end too', async () => {
  await up.start()
  await watched()
  expect(posted).toEqual([])

  oilC = HOT_C
  await until('all were told', () => byCommand().length > 0 && posted.length > 0)
  const tail = up.follow('tail', 'oil-too-hot', '--last', '10', '--json')
  await until('the topic has it', () => tail.lines().length > 0)
  // It stays hot for many windows more: that is no second alert.
  await readOn(40)
  oilC = COOL_C
  await until('all were told of its end', () => byCommand().length > 1 && posted.length > 1 && tail.lines().length > 1)
  await readOn(40)

  const alerts = byCommand()
  expect(alerts).toMatchObject([
    { analyser: 'oil-too-hot', gateway: 'plant-a-1', source: 'compressor', state: 'raised' },
    { analyser: 'oil-too-hot', gateway: 'plant-a-1', source: 'compressor', state: 'cleared' },
  ])
  expect(Object.values(alerts[0]?.values ?? {})[0]).toBeGreaterThan(90)
  expect(posted.map(({ alert }) => alert)).toEqual(alerts)
  expect(tail.lines().map(({ gateway, source, seq, value }) => [gateway, source, seq, value])).toEqual([
    ['core', 'oil-too-hot', 0, alerts[0]],
    ['core', 'oil-too-hot', 1, alerts[1]],
  ])
  const keys = alerts.map(({ key }) => key)
  expect(new Set(keys).size).toBe(2)
  expect(up.read('out/keys').trim().split('\n')).toEqual(keys)
  expect(posted.map(({ headers }) => headers['idempotency-key'])).toEqual(keys)
  expect((await up.status()).core.sources.map(({ source, topic }) => [source, topic]).sort()).toEqual([
    ['core/oil-too-hot', 'store-alerts'],
    ['plant-a-1/compressor', 'store'],
  ])
  // Those of the gateway, and behind them what lies in the log, analysers' own too.
  expect((await up.run('source', 'list')).stdout).toMatch(/^compressor .*\n\n[\s\S]*^core\/oil-too-hot /m)
})

test('a webhook that answers 500 is asked again with the same key until it takes the alert; the others have it once', async () => {
  answers = [500, 503]
  await up.start()
  await watched()
  oilC = HOT_C
  await until('it was asked three times', () => posted.length >= 3)
  await readOn(40)
  expect(posted).toHaveLength(3)
  expect(new Set(posted.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  expect(new Set(posted.map(({ alert }) => JSON.stringify(alert))).size).toBe(1)
  expect(byCommand()).toEqual([posted[0]?.alert])
  const { core } = await up.status()
  expect(core.sources.find(({ topic }) => topic === 'store-alerts')).toMatchObject({ next: 1 })
  await until('the alarm is over', async () => (await up.status()).core.alarms.length === 0)
})

test('an alert that nobody took outlives kill -9; after the restart it is delivered, and not raised again', async () => {
  answers = Array.from({ length: 50 }, () => 500)
  await up.start()
  await watched()
  oilC = HOT_C
  await until('it was refused, and the command has it', () => posted.length > 0 && byCommand().length > 0)
  await up.process.kill9()
  answers = []
  const before = posted.length
  await up.start()
  await until('it is taken', () => posted.length > before)
  await readOn(40)
  expect(posted).toHaveLength(before + 1)
  expect(new Set(posted.map(({ alert }) => alert.key)).size).toBe(1)
  expect(new Set(byCommand().map(({ key }) => key)).size).toBe(1)
})
