import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { joinReads, loadProfile, readRegister } from '../../src/source/modbus-profile.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

const crc16 = createRequire(import.meta.url)('modbus-serial/utils/crc16') as (bytes: Buffer) => number

let bench: SourceBench
let folder: string
let server: Server | undefined
const open: Socket[] = []
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-registers-'))
})
afterEach(async () => {
  await bench.end()
  for (const socket of open.splice(0)) socket.destroy()
  server?.close()
  rmSync(folder, { recursive: true, force: true })
})

function profile(...registers: string[]): string {
  const path = join(folder, 'device.yaml')
  writeFileSync(
    path,
    `device: a device\nsource: made for this test\nregisters:\n${registers.map(each => `  - { ${each} }\n`).join('')}`,
  )
  return path
}

/** What one register gives for the bytes that came. */
function read(register: string, hex: string): Record<string, unknown> {
  const [span] = joinReads(loadProfile(profile(`name: v, address: 0, ${register}`)))
  const [first] = span?.registers ?? []
  if (!span || !first) throw new Error('no register')
  return Object.fromEntries(readRegister(first, span, Buffer.from(hex, 'hex')))
}

test.each([
  ['type: u16', 'ffff', { v: 65_535 }],
  ['type: i16', 'fffe', { v: -2 }],
  ['type: u32', '00010000', { v: 65_536 }],
  ['type: u32, words: little', '00000001', { v: 65_536 }],
  ['type: i32', 'fffffffe', { v: -2 }],
  ['type: f32', '41ac0000', { v: 21.5 }],
  ['type: f32, words: little', '000041ac', { v: 21.5 }],
  ['type: f32, bytes: little', 'ac410000', { v: 21.5 }],
  ['type: f32, words: little, bytes: little', '0000ac41', { v: 21.5 }],
  ['type: u64', '0000000000010000', { v: 65_536 }],
  ['type: i64, words: little', 'fffeffffffffffff', { v: -2 }],
  ['type: f64', '4035800000000000', { v: 21.5 }],
  ['type: u16, scale: 0.1', '08f9', { v: 229.7 }],
  ['type: i16, scale: 0.1, offset: -40', '0267', { v: 21.5 }],
  ['type: u16, values: { 0: off, 1: on }', '0001', { v: 'on' }],
  ['type: u16, values: { 0: off, 1: on }', '0007', { v: 7 }],
  ['type: u16, bits: { running: 0, alarm: 3, remote: 15 }', '8001', { running: true, alarm: false, remote: true }],
  ['type: u32, words: little, bits: { high: 16 }', '00000001', { high: true }],
])('a register with %s reads %s as %j', (register, hex, expected) => {
  expect(read(register, hex)).toEqual(expected)
})

test('RTU over TCP: the frames of a line, with their checksum, through a serial server', async () => {
  const port = await freePort()
  let isSpoilt = true
  const listening = createServer(socket => {
    open.push(socket)
    socket.on('error', () => {})
    socket.on('data', request => {
      // Unit 5, holding registers, from 0: one word.
      expect([...request.subarray(0, 6)]).toEqual([5, 3, 0, 0, 0, 1])
      expect(request.readUInt16LE(6)).toBe(crc16(request.subarray(0, 6)))
      const answer = Buffer.from([5, 3, 2, 0, 42, 0, 0])
      answer.writeUInt16LE(crc16(answer.subarray(0, 5)) ^ (isSpoilt ? 1 : 0), 5)
      // In two pieces, as a serial server sends it.
      socket.write(answer.subarray(0, 3))
      setImmediate(() => socket.write(answer.subarray(3)))
    })
  })
  server = listening
  await new Promise<void>(resolve => listening.listen(port, '127.0.0.1', () => resolve()))
  const device = profile('name: v, address: 0, type: u16')
  const runner = bench.start('modbus', { rtu_over_tcp: `127.0.0.1:${port}`, unit: 5, device, every: '20ms', timeout: '200ms' })
  await until('a wrong checksum is counted', () => Object.values(runner.status().trouble).some(count => count > 0))
  expect(bench.records).toEqual([])
  isSpoilt = false
  await until('a record', () => bench.records.length > 0)
  expect(bench.texts[0]).toBe('{"v":42}')
})
