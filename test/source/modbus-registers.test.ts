import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { fieldsOf, joinReads, loadProfile, readRegister } from '../../src/source/modbus-profile.ts'
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
  ['type: f32', '41a8cccd', { v: 21.1 }],
  ['type: f32', '4b3c614e', { v: 12_345_678 }],
  ['type: f32, scale: 0.001', '4b3c614e', { v: 12_345.678 }],
  ['type: f32', '4640e6b6', { v: 12_345.678 }],
  ['type: u64, scale: 0.001', '0000011f71fb04cb', { v: 1_234_567_890.123 }],
  ['type: f32, none: -3.4028234663852886e38', 'ff7fffff', { v: Number.NaN }],
  ['type: f32, none: -3.4028235e38', 'ff7fffff', { v: Number.NaN }],
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

test.each([
  ['type: u64', 'ffffffffffffffff', '18446744073709551615'],
  ['type: u64', '0020000000000001', '9007199254740993'],
  ['type: u64', '001fffffffffffff', '9007199254740991'],
  ['type: u64, scale: 10, offset: 1', '0020000000000001', '90071992547409931'],
  ['type: i64', '8000000000000001', '-9223372036854775807'],
  ['type: i64, values: { -9223372036854775807: lost }', '8000000000000001', '"lost"'],
  ['type: u64, none: 18446744073709551615', 'ffffffffffffffff', 'null'],
])('a register with %s keeps every digit of %s: above 2^53 it was rounded', (register, hex, expected) => {
  expect(JSON.stringify(read(register, hex))).toBe(`{"v":${expected}}`)
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

/** Unit 5 of a line behind a serial server: coils and inputs whose addresses are odd are on, registers hold their address. */
function answerOf(request: Buffer): Buffer {
  const [code = 0, address, length] = [request[1], request.readUInt16BE(2), request.readUInt16BE(4)]
  const isBits = code === 1 || code === 2
  const body = Buffer.alloc(isBits ? Math.ceil(length / 8) : length * 2)
  for (let at = 0; at < length; at++) {
    if (!isBits) body.writeUInt16BE(address + at, at * 2)
    else if ((address + at) % 2 === 1) body[at >> 3] = (body[at >> 3] ?? 0) | (1 << (at & 7))
  }
  const frame = Buffer.concat([Buffer.from([5, code, body.length]), body, Buffer.alloc(2)])
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2)
  return frame
}

test('coils, discrete inputs, input and holding registers of one device, each by its own function, neighbours in one request', async () => {
  const port = await freePort()
  const asked = new Set<string>()
  const listening = createServer(socket => {
    open.push(socket)
    socket.on('error', () => {})
    socket.on('data', request => {
      asked.add(`${request[1]}: ${request.readUInt16BE(2)}+${request.readUInt16BE(4)}`)
      socket.write(answerOf(request))
    })
  })
  server = listening
  await new Promise<void>(resolve => listening.listen(port, '127.0.0.1', () => resolve()))
  const device = profile(
    'name: pump, address: 17, function: coil',
    'name: valve, address: 8, function: coil, values: { 0: shut, 1: open }',
    'name: door, address: 3, function: discrete',
    'name: level, address: 7, type: u16, function: input',
    'name: limit, address: 9, type: u16',
  )
  bench.start('modbus', { rtu_over_tcp: `127.0.0.1:${port}`, unit: 5, device, every: '20ms', timeout: '10s' })
  await until('a record', () => bench.records.length > 0)
  expect(JSON.parse(bench.texts[0] ?? '')).toEqual({ pump: true, valve: 'shut', door: true, level: 7, limit: 9 })
  expect([...asked].toSorted()).toEqual(['1: 8+10', '2: 3+1', '3: 9+1', '4: 7+1'])
  expect(fieldsOf(loadProfile(device))).toMatchObject({
    pump: { type: 'boolean' },
    valve: { type: 'text' },
    level: { type: 'number' },
  })
})

test.each([
  ['name: v, address: 0', 'v needs a type: one of u16, i16, u32, i32, f32, u64, i64, f64'],
  ['name: v, address: 0, type: bit', 'v cannot be bit: what is read as holding is a register'],
  ['name: v, address: 0, type: u16, function: coil', 'v cannot be u16: what is read as coil is a bit'],
  ['name: v, address: 70000, type: u16', 'registers.0.address: '],
])('a profile with %s is refused in words that say which register it is', (register, said) => {
  expect(() => loadProfile(profile(register))).toThrow(said)
})
