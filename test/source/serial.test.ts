import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Pty } from '../../hardware/simulators/pty.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
let link: string
let pty: Pty | undefined

beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-serial-'))
  link = join(folder, 'usb-port0')
})
afterEach(async () => {
  await bench.end()
  await pty?.close()
  pty = undefined
  rmSync(folder, { recursive: true, force: true })
})

test('reads lines of a real port, decoded, each with the time at which it came', async () => {
  pty = await Pty.open(link)
  const fromMs = Date.now()
  const runner = bench.start('serial', { path: link }, { decode: { csv: ['a', 'b'] } })
  await until('it reads', () => runner.status().state === 'reading')
  pty.write('1,2\r\n3,')
  pty.write('4\r\nnot a line of two\r\n')
  await until('three records', () => bench.records.length === 3)
  expect(bench.texts).toEqual(['{"a":1,"b":2}', '{"a":3,"b":4}', 'not a line of two'])
  expect(bench.records[2]?.headers).toEqual({ decode_error: '1 values for 2 columns' })
  expect(runner.status()).toMatchObject({ read: 3, decode_errors: 1 })
  for (const { timeMs } of bench.records) expect(timeMs).toBeGreaterThanOrEqual(fromMs)
})

test('what a pause would have ended is not handed on after a stop', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link }, { frame: { silence: '200ms' } })
  await until('it reads', () => runner.status().state === 'reading')
  const heard: string[] = []
  runner.tap({ bytes: bytes => heard.push(bytes.toString()), interrupted: () => {} })
  pty.write('half')
  await until('it is heard', () => heard.join('') === 'half')
  await runner.stop()
  // A pause as long, which begins later: when it has ended a record, the first one would have.
  const next = bench.start('serial', { path: link }, { frame: { silence: '200ms' } })
  await until('it reads again', () => next.status().state === 'reading')
  pty.write('whole')
  await until('a record', () => bench.records.length > 0)
  expect(bench.texts).toEqual(['whole'])
})

test('every byte value comes as it was sent', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link }, { frame: { length: 256 } })
  await until('it reads', () => runner.status().state === 'reading')
  const all = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
  for (let round = 0; round < 20; round++) pty.write(all)
  await until('all of it', () => bench.records.length === 20)
  for (const text of bench.texts) expect(Buffer.from(text, 'latin1').equals(all)).toBe(true)
})

test('a port that is missing at the start is waited for, and its absence said', async () => {
  const runner = bench.start('serial', { path: link })
  const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
  expect(waiting.reason).toContain(link)
  pty = await Pty.open(link)
  await until('it reads', () => runner.status().state === 'reading')
  pty.write('here\n')
  await until('a record', () => bench.texts.includes('here'))
})

test('unplugged in the middle of a record and plugged in again: goes on, and joins no halves', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link })
  await until('it reads', () => runner.status().state === 'reading')
  let heard = ''
  runner.tap({
    bytes: bytes => {
      heard += bytes.toString('latin1')
    },
    interrupted: () => {},
  })
  pty.write('before\nhal')
  await until('a record and a half were read', () => heard === 'before\nhal')
  await pty.close()
  await until('it waits', () => runner.status().state === 'waiting')
  pty = await Pty.open(link)
  await until('it reads again', () => runner.status().state === 'reading')
  pty.write('after\n')
  await until('another record', () => bench.records.length === 2)
  expect(bench.texts).toEqual(['before', 'after'])
  expect(runner.status().trouble).toEqual({ 'a record broke off': 1 })
})

test('garbage without an end is passed over, and what comes after it is read', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link }, { frame: { delimiter: '\\n', max_bytes: 64 } })
  await until('it reads', () => runner.status().state === 'reading')
  const port = pty
  for (let chunk = 0; chunk < 50; chunk++) if (!port.write(Buffer.alloc(1_000, 0xff))) await port.drained()
  port.write('\ngood\n')
  await until('the good one', () => bench.texts.includes('good'))
  expect(bench.texts).toEqual(['good'])
  expect(runner.status().trouble).toEqual({ 'a record was too long': 1 })
})

test('a port that another process has locked is waited for, and said', async () => {
  pty = await Pty.open(link)
  const first = bench.start('serial', { path: link })
  await until('it reads', () => first.status().state === 'reading')
  const second = bench.start('serial', { path: link }, { name: 'source-2' })
  const waiting = await until('the second one waits', () => second.status().state === 'waiting' && second.status())
  expect(waiting.reason).toMatch(/lock/i)
})

test('while there is no room nothing is lost of what was read, and order stays', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link })
  await until('it reads', () => runner.status().state === 'reading')
  bench.full = true
  pty.write('one\ntwo\nthree\n')
  await until('it is blocked', () => runner.status().state === 'blocked')
  pty.write('four\n')
  bench.roomAgain()
  await until('all four', () => bench.records.length === 4)
  expect(bench.texts).toEqual(['one', 'two', 'three', 'four'])
})

test('a plug that is pulled while the source is not reading is noticed, and not waited on for ever', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link, gather: '300ms' })
  await until('it reads', () => runner.status().state === 'reading')
  pty.write('before\n')
  await until('a record', () => bench.records.length === 1)
  // Within the 300 ms in which it gathers.
  await pty.close()
  await until('it waits', () => runner.status().state === 'waiting', 10_000)
  pty = await Pty.open(link)
  await until('it reads again', () => runner.status().state === 'reading')
  pty.write('after\n')
  await until('another record', () => bench.texts.includes('after'))
})

test('a device that speaks all the time, falls silent, speaks again, and whose plug is pulled then: all is read, and its end is noticed', async () => {
  const own = await Pty.open(link)
  const runner = bench.start('serial', { path: link })
  await until('it reads', () => runner.status().state === 'reading')
  let written = 0
  const speak = async (lines: number) => {
    for (let line = 0; line < lines; line++) {
      own.write(`line ${written++}\n`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  await speak(60)
  await until('all of it', () => bench.records.length === written)
  // For longer than it is looked at together with others.
  await new Promise(resolve => setTimeout(resolve, 200))
  await speak(60)
  await until('all of the rest', () => bench.records.length === written)
  expect(bench.texts).toEqual(Array.from({ length: written }, (_, line) => `line ${line}`))
  void speak(1_000)
  await until('it speaks', () => bench.records.length > written - 10)
  await own.close()
  await until('it is gone', () => runner.status().state === 'waiting')
  pty = await Pty.open(link)
  await until('it reads again', () => runner.status().state === 'reading')
  pty.write('here again\n')
  await until('a record of the new one', () => bench.texts.includes('here again'))
})

test('a device that says more in a pause than the system holds for a reader is read to the end, and not a part in each pause', async () => {
  pty = await Pty.open(link)
  const runner = bench.start('serial', { path: link, gather: '1s' })
  await until('it reads', () => runner.status().state === 'reading')
  // Each pause would bring 4,096 bytes: 50 seconds for all, longer than `until` waits.
  const lines = Array.from({ length: 3_200 }, (_, at) => `${at}`.padStart(63, '.'))
  pty.write(`${lines.join('\n')}\n`)
  await until('all of it', () => bench.records.length === lines.length)
  expect(bench.texts).toEqual(lines)
})

test('a path that is no serial port is said to be none', async () => {
  const path = join(folder, 'readings.txt')
  writeFileSync(path, 'of somebody')
  const runner = bench.start('serial', { path })
  await until('it is said', () => runner.status().reason === `${path} is no serial port`)
})
