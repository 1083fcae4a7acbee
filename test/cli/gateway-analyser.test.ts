import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import type { AlertJson } from '../../src/cli/alert-calls.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { linesOf } from './up-process.ts'

let folder: string
let device: Pty
let edge: HeadraceProcess
let oilC: number
let speaking: NodeJS.Timeout

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-gateway-'))
  device = await Pty.open()
  oilC = 95
  speaking = setInterval(() => device.write(`${oilC}.0\r\n`), 40)
  writeFileSync(
    join(folder, 'p.yaml'),
    `pipeline: store
sources:
  compressor: { serial: { path: ${device.path} }, frame: { delimiter: "\\r\\n" }, decode: { csv: [oil_c] } }
analysers:
  hot: { on: gateway, every: 200ms, when: avg(oil_c) > 90, clear_when: max(oil_c) < 80, alert: { command: [./receive.sh] } }
  hot-on-core: { every: 200ms, when: avg(oil_c) > 90, alert: { command: [./receive.sh] } }
`,
  )
  writeFileSync(join(folder, 'receive.sh'), '#!/bin/sh\ncat >> alerts\n', { mode: 0o755 })
  const config = join(folder, 'edge.yaml')
  // Nobody listens there: the core is away, all the time.
  const uplink = `{ url: "amqp://127.0.0.1:${await freePort()}" }`
  writeFileSync(config, `gateway: plant-a-1\nstate: ${join(folder, 'state')}\nuplink: ${uplink}\npipelines: [p.yaml]\n`)
  edge = new HeadraceProcess({ name: 'edge', args: ['edge', '--config', config], logPath: join(folder, 'edge.log') })
})

afterEach(async () => {
  clearInterval(speaking)
  await edge.end()
  await device.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Told {
  readonly analyser: string
  readonly source: string
  readonly state: string
  readonly key: string
}

/** The file is there before there is anything in it: only whole lines count. */
function told(): Told[] {
  const path = join(folder, 'alerts')
  return existsSync(path) ? (linesOf(readFileSync(path, 'utf8')) as unknown as Told[]) : []
}

test('what analysers of a gateway said is listed there, acknowledged, silenced, and known when it is started again', async () => {
  edge.start()
  await until('it is told', () => told().length > 0)
  const state = ['--state', join(folder, 'state')]
  const listed = async () => JSON.parse((await headrace(['alerts', 'list', '--json', ...state])).stdout) as AlertJson[]
  const [alert] = await until('it is listed', async () => (await listed()).length > 0 && listed())
  expect(alert).toMatchObject({ analyser: 'hot', pipeline: 'store', source: 'plant-a-1/compressor', stands: true })
  expect((await headrace(['alerts', 'acknowledge', alert?.key ?? '', '--note', 'on my way', ...state])).code).toBe(0)
  expect((await headrace(['alerts', 'acknowledge', 'nothing', ...state])).code).toBe(2)
  await headrace(['alerts', 'silence', '--for', '1h', ...state])
  await edge.kill9()
  edge.start()
  const status = () => statusOf<EdgeStatus>(state)
  await until('it reads on', async () => ((await status())?.sources?.[0]?.read ?? 0) > 0)
  expect((await status())?.analysers).toMatchObject([{ analyser: 'hot', last_alert: alert?.time }])
  expect((await listed())[0]).toMatchObject({ acknowledged: { note: 'on my way' }, silenced_by: 1 })
  oilC = 60
  await until('its end is listed', async () => (await listed())[0]?.state === 'cleared')
  expect(told()).toHaveLength(1)
  await headrace(['alerts', 'unsilence', '1', ...state])
  await until('its end is told', () => told().length === 2)
})

test('files of analysers that are damaged lie aside, and the gateway reads: it did not start', async () => {
  mkdirSync(join(folder, 'state', 'edge'), { recursive: true })
  for (const file of ['analysers.db', 'alerts.db']) writeFileSync(join(folder, 'state', 'edge', file), Buffer.alloc(9_000, 3))
  edge.start()
  await until('it is told', () => told().length > 0)
  const status = await statusOf<EdgeStatus>(['--state', join(folder, 'state')])
  expect(JSON.stringify(status?.alarms)).toContain('analysers_damaged')
})

test('with the core away, the gateway tells of hot oil; after kill -9 it knows that it did, and tells when it is over', async () => {
  edge.start()
  await until('it is told', () => told().length > 0)
  await edge.kill9()
  edge.start()
  const status = () => statusOf<EdgeStatus>(['--state', join(folder, 'state')])
  const read = async () => (await status())?.sources?.[0]?.read ?? 0
  await until('it reads on', async () => (await read()) > 20)
  oilC = 60
  await until('its end is told', () => told().some(({ state }) => state === 'cleared'))
  expect(new Set(told().map(({ key }) => key)).size).toBe(2)
  expect(told().map(({ analyser, source }) => `${analyser} ${source}`)).toEqual(told().map(() => 'hot compressor'))
  expect((await status())?.analysers).toMatchObject([{ analyser: 'hot', state: 'running', sources: 1, undelivered: 0 }])
})
