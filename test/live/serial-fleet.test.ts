import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import { SerialSource, serial } from '../../src/source/serial.ts'
import { type SerialMachine, thisMachine } from '../../src/source/serial-machine.ts'
import type { SerialOptions } from '../../src/source/serial-options.ts'
import type { SourceKind } from '../../src/source/source.ts'
import { SourceBench } from '../source/harness.ts'
import { runFleet } from '../source/serial-fleet.ts'
import { until } from '../support/until.ts'

const CYCLES = 50

let bench: SourceBench
let folder: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-fleet-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

test('twelve serial sources at 200 lines a second: none lost, none out of order (64 of them: test/bench/serial-fleet.ts)', async () => {
  const figures = await runFleet({ sources: 12, linesPerSecond: 200, seconds: 1 })
  console.log(`${figures.cpuSeconds.toFixed(2)} CPU-seconds for ${figures.lines} lines`)
  expect(figures).toMatchObject({ lines: 2_400, wrong: [] })
})

/** Handles of this process: an old port that was never given back would be among them. */
function handlesOpen(): number {
  return readdirSync('/proc/self/fd').length
}

test('fifty times unplugged and plugged in again: each time it goes on, and no handle is left behind', async () => {
  bench.random = () => 0.999
  const path = join(folder, 'usb-port0')
  let opened = 0
  const open: SerialMachine['open'] = async settings => {
    const port = await thisMachine.open(settings)
    opened += 1
    return port
  }
  const kind: SourceKind = {
    ...serial,
    open: (options, context) => new SerialSource(options as SerialOptions, context, { ...thisMachine, open }),
  }
  const plugIn = async () => {
    const pty = await Pty.open()
    rmSync(path, { force: true })
    symlinkSync(pty.path, path)
    return pty
  }
  let pty = await plugIn()
  const runner = bench.start(kind, { path })
  let handles = 0
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await until('it reads', () => opened === cycle + 1 && runner.status().state === 'reading')
    pty.write(`cycle ${cycle}\nhal`)
    await until(`the line of cycle ${cycle}`, () => bench.records.length === cycle + 1)
    if (cycle === 4) handles = handlesOpen()
    const next = await plugIn()
    await pty.close()
    pty = next
  }
  await until('it reads for the last time', () => opened === CYCLES + 1 && runner.status().state === 'reading')
  expect(bench.texts).toEqual(Array.from({ length: CYCLES }, (_, cycle) => `cycle ${cycle}`))
  // A handle of the pseudo terminal that came last may be there or not.
  expect(handlesOpen()).toBeLessThanOrEqual(handles + 4)
  await pty.close()
})

test('devices that are stuck, each in another way, do not keep another one from being read', async () => {
  const sockets: Socket[] = []
  const port = await freePort()
  // It takes connections, and never says a word.
  const mute = createServer(socket => sockets.push(socket))
  await new Promise<void>(resolve => mute.listen(port, '127.0.0.1', () => resolve()))
  const silent = await Pty.open(join(folder, 'silent'))
  const endless = await Pty.open(join(folder, 'endless'))
  const good = await Pty.open(join(folder, 'good'))
  const stuck = new SourceBench()
  stuck.start(
    'serial',
    { path: join(folder, 'silent'), ask: { requests: ['?'], every: '10ms', timeout: '60s' } },
    { name: 'silent' },
  )
  stuck.start('serial', { path: join(folder, 'endless') }, { name: 'endless', frame: { delimiter: '\\n' } })
  stuck.start('tcp', { connect: `127.0.0.1:${port}` }, { name: 'mute' })
  stuck.start('modbus', { tcp: `127.0.0.1:${port}`, device: 'eastron-sdm120', every: '10ms', timeout: '60s' }, { name: 'dead' })
  stuck.start('http', { url: `http://127.0.0.1:${port}/`, every: '50ms', timeout: '10m' }, { name: 'hangs' })
  stuck.start('exec', { command: ['sleep', '1000'] }, { name: 'sleeps' })
  const runner = bench.start('serial', { path: join(folder, 'good') })
  await until('the good one is read', () => runner.status().state === 'reading')
  await until('the others are stuck', () => sockets.length >= 3)
  const flood = setInterval(() => endless.write(Buffer.alloc(4_096, 'x')), 10)
  const lines = Array.from({ length: 500 }, (_, number) => `line ${number}`)
  for (const line of lines) good.write(`${line}\n`)
  await until('all lines of the good one', () => bench.records.length === lines.length)
  expect(bench.texts).toEqual(lines)
  expect(stuck.records).toEqual([])
  clearInterval(flood)
  for (const socket of sockets) socket.destroy()
  await stuck.end()
  mute.close()
  for (const pty of [silent, endless, good]) await pty.close()
})
