import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WELL_BEHAVED } from '../../hardware/simulators/mischief.ts'
import { MODELS } from '../../hardware/simulators/models.ts'
import { startSerialSimulator } from '../../hardware/simulators/serial-simulator.ts'
import type { Simulator } from '../../hardware/simulators/simulator.ts'
import { readCapture } from '../../src/cli/capture-file.ts'
import { replayIntoPty } from '../../src/cli/replay-capture.ts'
import { SourceBench } from '../source/harness.ts'
import { HeadraceProcess, headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { linesOf, Up } from './up-process.ts'

const ENDED_WHEN_READY = fileURLToPath(new URL('../support/ended-when-ready.ts', import.meta.url))

let folder: string
const processes: HeadraceProcess[] = []
let simulator: Simulator | undefined
let up: Up | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-field-'))
})
afterEach(async () => {
  await up?.end()
  up = undefined
  for (const process of processes.splice(0)) await process.end()
  await simulator?.stop()
  simulator = undefined
  rmSync(folder, { recursive: true, force: true })
})

function begin(...args: string[]): HeadraceProcess {
  const process = new HeadraceProcess({ name: args.join(' '), args, logPath: join(folder, `log-${processes.length}`) })
  processes.push(process)
  process.start()
  return process
}

const said = (process: HeadraceProcess) => (existsSync(process.logPath) ? readFileSync(process.logPath, 'utf8') : '')

async function simulate(name: string, perSecond: number): Promise<string> {
  const model = MODELS.find(each => each.name === name)
  if (!model) throw new Error(`no model ${name}`)
  simulator = await startSerialSimulator(model, { link: join(folder, name), perSecond, mischief: WELL_BEHAVED })
  return simulator.path
}

test('a simulated device is read by the pipeline that it prints; a capture of it becomes the same records again', async () => {
  const device = begin('simulate', 'dsmr', '--link', join(folder, 'meter'), '--rate', '20')
  await until('it has said how it is read', () => said(device).includes('time: { field: time }'))
  const pipeline = said(device)
  up = new Up(pipeline)
  await up.start()
  const file = join(folder, 'meter.capture')
  const captured = await up.run('capture', 'dsmr', '-o', file, '--for', '2s')
  expect(captured).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+ reads in/) })
  const piped = await up.run('capture', 'dsmr', '-o', '-', '--for', '1s')
  expect(piped).toMatchObject({ code: 0, stderr: expect.stringMatching(/^\d+ reads in all/) })
  writeFileSync(join(folder, 'piped.capture'), piped.stdout)
  expect(readCapture(join(folder, 'piped.capture')).items.length).toBeGreaterThan(0)
  expect(existsSync(join(up.folder, '-'))).toBe(false)
  const replayed = await headrace(['replay-capture', file, '--pipeline', join(up.folder, 'p.yaml')])
  expect(replayed.code).toBe(0)
  const records = linesOf(replayed.stdout) as unknown as { time_ms: number; value: { l1_voltage_v: number; time: string } }[]
  expect(records.length).toBeGreaterThan(5)
  for (const { time_ms, value } of records) {
    expect(value.l1_voltage_v).toBeGreaterThan(227)
    expect(time_ms).toBe(Date.parse(value.time))
  }
  // The file is not written over, and a source that is not there is said.
  expect(await up.run('capture', 'dsmr', '-o', file, '--for', '1s')).toEqual({
    code: 2,
    stdout: '',
    stderr: `${file} is there already\nName a file that is not.\n`,
  })
  expect(await up.run('capture', 'dsmt', '-o', join(folder, 'x'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Known: dsmr'),
  })
  expect(await device.stop()).toBe(0)
  expect(existsSync(join(folder, 'meter'))).toBe(false)
})

test('a capture is played out of a port, byte for byte', async () => {
  const file = join(folder, 'a.capture')
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
  const head = { headrace_capture: 1, source: 'g/s', gives: 'stream', started: '2026-11-28T12:00:00.000Z' }
  const items = [
    { at_ms: 0, base64: bytes.subarray(0, 100).toString('base64') },
    { at_ms: 500, base64: bytes.subarray(100).toString('base64') },
  ]
  writeFileSync(file, `${[head, ...items].map(item => JSON.stringify(item)).join('\n')}\n`)
  writeFileSync(
    join(folder, 'p.yaml'),
    'pipeline: p\nsources:\n  s:\n    serial: { path: /dev/null }\n    frame: { length: 256 }\n',
  )
  const replayed = await headrace(['replay-capture', file, '--pipeline', join(folder, 'p.yaml')])
  const [record] = linesOf(replayed.stdout) as unknown as { value_base64: string; time_ms: number }[]
  expect(record).toMatchObject({ value_base64: bytes.toString('base64'), time_ms: Date.parse(head.started) + 500 })

  // Which source it is played into is said; one that was named and is not there was another one without a word.
  expect(replayed.stderr).toContain('a capture of g/s, played into "s" of ')
  const wrong = await headrace(['replay-capture', file, '--pipeline', join(folder, 'p.yaml'), '--source', 'meter'])
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('has no source "meter"') })

  const bench = new SourceBench()
  try {
    await replayIntoPty(readCapture(file), {
      link: join(folder, 'port'),
      speed: 0,
      holdMs: 2_000,
      // What is played before anybody has opened the port is lost, as with a real one.
      onOpen: async path => {
        const runner = bench.start('serial', { path }, { frame: { length: 256 } })
        await until('it reads', () => runner.status().state === 'reading')
      },
    })
    expect(bench.texts).toEqual([bytes.toString('latin1')])
  } finally {
    await bench.end()
  }
})

test.each([
  ['', ': is empty, and no capture'],
  ['{"headrace_capture":2}\n', ':1:1: is no line of a capture'],
  ['{"headrace_capture":1,"source":"g/s","gives":"stream","started":"x"}\nnonsense\n', ':2:1: is no line of a capture'],
])('%j is no capture, and where it is not is said', async (text, wrong) => {
  const file = join(folder, 'bad.capture')
  writeFileSync(file, text)
  const { code, stderr } = await headrace(['replay-capture', file, '--pipeline', 'p.yaml'])
  expect(code).toBe(2)
  expect(stderr).toContain(wrong)
})

test.each([
  ['simulate', () => ['line', '--link', join(folder, 'port')]],
  ['up', () => [join(folder, 'p.yaml'), '--state', join(folder, 'state')]],
])(
  '%s that is ended as soon as it says how stops in order: it was killed, and left behind what it had made',
  async (command, args) => {
    writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources:\n  s: { generator: { records_per_second: 1 } }\n')
    const device = new HeadraceProcess({
      name: 'ended when ready',
      args: [command, ...args()],
      logPath: join(folder, 'log-ended'),
      nodeArgs: ['--import', ENDED_WHEN_READY],
    })
    processes.push(device)
    device.start()
    await until('it has ended', () => !device.running)
    expect(said(device)).toContain('Ctrl-C')
    expect(await device.stop()).toBe(0)
    expect(existsSync(join(folder, 'port'))).toBe(false)
  },
)

test.each([
  ['line', 'a file', 'no link to a pseudo terminal'],
  ['line', 'a link to a port', 'no link to a pseudo terminal'],
  ['line-unix', 'a file', 'no socket'],
])('simulate %s --link of %s leaves that where it is', async (device, what, why) => {
  const port = join(folder, 'port')
  const link = what === 'a file' ? port : join(folder, 'link')
  writeFileSync(port, 'kept')
  if (link !== port) symlinkSync(port, link)
  const { code, stderr } = await headrace(['simulate', device, '--link', link])
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`${link} is there already, and is ${why}`) })
  expect(readFileSync(link, 'utf8')).toBe('kept')
})

test('simulate takes the place of a link that one which was killed left behind, and a port that there is', async () => {
  const link = join(folder, 'port')
  symlinkSync('/dev/pts/99999', link)
  const device = begin('simulate', 'line', '--link', link)
  await until('it plays', () => said(device).includes('Ctrl-C'))
  expect(await device.stop()).toBe(0)
  expect(existsSync(link)).toBe(false)
  const { code, stderr } = await headrace(['simulate', 'line-tcp', '--port', '99999'])
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Write a port from 1 to 65535.') })
})

test('a capture that is not there is the wrong input', async () => {
  const { code, stderr } = await headrace(['replay-capture', join(folder, 'none'), '--pipeline', 'p.yaml'])
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('none: cannot be read: there is no such file') })
})

test('a port that speaks is probed: the YAML that it prints can be loaded', async () => {
  const path = await simulate('gps', 20)
  const { code, stdout, stderr } = await headrace(['devices', 'probe', path, '--listen', '1s'])
  expect(stderr).toContain('9600 8 none')
  expect(code).toBe(0)
  expect(stdout).toContain('NMEA 0183')
  writeFileSync(join(folder, 'found.yaml'), stdout)
  expect(await headrace(['validate', join(folder, 'found.yaml')])).toMatchObject({ code: 0 })
})

test.each([
  ['modbus-rtu', 'unit: 1'],
  ['scale', 'It answers "SI'],
])('a silent %s is found only where it may be asked', async (name, expected) => {
  const path = await simulate(name, 1)
  const asked = await headrace(['devices', 'probe', path, '--listen', '200ms', '--ask'])
  expect(asked.stdout).toContain(expected)
  writeFileSync(join(folder, 'asked.yaml'), asked.stdout)
  expect(await headrace(['validate', join(folder, 'asked.yaml')])).toMatchObject({ code: 0 })
  const listened = await headrace(['devices', 'probe', path, '--listen', '100ms'])
  expect(listened).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('--ask') })
})

test('ports are listed, with what is known of a gateway', async () => {
  const { code, stdout } = await headrace(['devices', '--gateway', 'siemens-iot2050'])
  expect(code).toBe(0)
  for (const what of ['switchserialmode', 'watchdog    /dev/watchdog', 'durability 200ms', 'unconfirmed '])
    expect(stdout).toContain(what)
  expect(JSON.parse((await headrace(['devices', '--json'])).stdout)).toMatchObject({ ports: expect.any(Array), gateway: null })
  expect(await headrace(['devices', '--gateway', 'x'])).toMatchObject({ code: 2 })
  expect(await headrace(['simulate', 'gsp'])).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean "gps"?') })
  expect(await headrace(['simulate', 'gps', '--noise', '2'])).toMatchObject({ code: 2 })
})
