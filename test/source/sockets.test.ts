import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { parseAddress } from '../../src/source/socket-address.ts'
import { tcpOptions } from '../../src/source/tcp.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
const open: Socket[] = []
let server: Server | undefined
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-socket-'))
})
afterEach(async () => {
  await bench.end()
  for (const socket of open.splice(0)) socket.destroy()
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function dial(where: { port: number; host: string } | { path: string }): Promise<Socket> {
  const socket = connect(where)
  socket.on('error', () => {})
  open.push(socket)
  await once(socket, 'connect')
  return socket
}

async function serve(port: number, welcome: (socket: Socket) => void): Promise<void> {
  const listening = createServer(socket => {
    socket.on('error', () => {})
    open.push(socket)
    welcome(socket)
  })
  server = listening
  await new Promise<void>(resolve => listening.listen(port, '127.0.0.1', () => resolve()))
}

async function listening(options: object = {}) {
  const port = await freePort()
  const runner = bench.start('tcp', { listen: `127.0.0.1:${port}`, ...options })
  await until('it listens', () => runner.status().state === 'reading')
  return { runner, dial: () => dial({ host: '127.0.0.1', port }) }
}

describe('a tcp listener', () => {
  test('frames each connection by itself, however their bytes are mixed', async () => {
    const { dial, runner } = await listening()
    const [one, two] = [await dial(), await dial()]
    one.write('a-')
    await until('half of it came', () => runner.status().state === 'reading')
    two.write('b-')
    one.write('one\nhal')
    two.write('two\n')
    await until('both', () => bench.records.length === 2)
    expect(new Set(bench.texts)).toEqual(new Set(['a-one', 'b-two']))
    one.destroy()
    await until('half a record was counted', () => runner.status().trouble['a record broke off'] === 1)
  })

  test('one connection more than it may have is refused and counted', async () => {
    const { dial, runner } = await listening({ connections_max: 1 })
    const first = await dial()
    first.write('first\n')
    await until('it is served', () => bench.texts.includes('first'))
    const second = await dial()
    await once(second, 'close')
    expect(runner.status().trouble).toEqual({ 'a connection too many was refused': 1 })
    first.write('still here\n')
    await until('the first goes on', () => bench.texts.includes('still here'))
  })

  test('while there is no room the sender is held back, and nothing of what it sent is lost', async () => {
    const { dial, runner } = await listening()
    const socket = await dial()
    bench.full = true
    const lines = 60_000
    const padding = 'x'.repeat(200)
    let sent = 0
    const send = () => {
      while (sent < lines) if (!socket.write(`${sent++} ${padding}\n`)) return
    }
    socket.on('drain', send)
    send()
    await until('it is blocked', () => runner.status().state === 'blocked')
    await until('the sender waits', () => socket.writableNeedDrain)
    expect(sent).toBeLessThan(lines)
    bench.roomAgain()
    await until('all of it', () => bench.records.length === lines)
    expect(bench.texts.every((text, n) => text === `${n} ${padding}`)).toBe(true)
  })

  test('a connection that stays silent for too long is closed and counted', async () => {
    const { dial, runner } = await listening({ idle: '1s' })
    await once(await dial(), 'close')
    expect(runner.status().trouble).toEqual({ 'a silent connection was closed': 1 })
  })

  test('an address that is in use is said, and tried again', async () => {
    const port = await freePort()
    await serve(port, () => {})
    const runner = bench.start('tcp', { listen: `127.0.0.1:${port}` })
    const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(waiting.reason).toContain('EADDRINUSE')
    server?.close()
    await until('it listens', () => runner.status().state === 'reading')
  })
})

describe('a tcp client', () => {
  test('greets, reads, and comes back after the connection broke, joining no halves', async () => {
    const port = await freePort()
    const runner = bench.start('tcp', { connect: `127.0.0.1:${port}`, greeting: 'GO\\n' })
    const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(waiting.reason).toContain(`127.0.0.1:${port}`)
    const greetings: string[] = []
    let times = 0
    await serve(port, socket => {
      socket.on('data', bytes => {
        greetings.push(bytes.toString())
        if (times++ === 0) socket.write('one\nhal', () => socket.destroySoon())
        else socket.write('two\n')
      })
    })
    await until('both', () => bench.records.length === 2)
    expect(bench.texts).toEqual(['one', 'two'])
    expect(greetings).toEqual(['GO\n', 'GO\n'])
    expect(runner.status().trouble).toEqual({ 'a record broke off': 1 })
  })

  test('a server that takes every connection and closes it without a word is asked less and less often', async () => {
    bench.random = () => 0
    const port = await freePort()
    const cameMs: number[] = []
    await serve(port, socket => {
      cameMs.push(performance.now())
      socket.destroy()
    })
    bench.start('tcp', { connect: `127.0.0.1:${port}` })
    await until('four connections', () => cameMs.length === 4)
    const [first = 0, second = 0, third = 0, fourth = 0] = cameMs
    expect(fourth - third).toBeGreaterThan(2 * (second - first))
  })

  test('one that stays silent is left also where the buffer had no room for longer than that', async () => {
    const port = await freePort()
    await serve(port, socket => socket.write('one\n'))
    bench.full = true
    const runner = bench.start('tcp', { connect: `127.0.0.1:${port}`, idle: '1s' })
    await until('it has no room', () => runner.status().state === 'blocked')
    await new Promise(resolve => setTimeout(resolve, 1_200))
    expect(runner.status().trouble).toEqual({})
    bench.roomAgain()
    await until('it is left', () => runner.status().trouble['a silent connection was closed'] === 1)
  })
})

describe('a unix socket', () => {
  test('a file that has its name already, and is no socket, was deleted', async () => {
    const path = join(folder, 'readings.txt')
    writeFileSync(path, 'of somebody')
    const runner = bench.start('unix', { listen: path })
    await until('it says so', () => runner.status().reason?.includes('is there already, and is no socket'))
    expect(readFileSync(path, 'utf8')).toBe('of somebody')
    rmSync(path)
    await until('it listens', () => runner.status().state === 'reading')
  })

  test('a folder that is not there is said', async () => {
    const runner = bench.start('unix', { listen: join(folder, 'run', 'a.sock') })
    await until('it says so', () => runner.status().reason?.includes(`its folder ${join(folder, 'run')} is not there`))
  })

  test('is made with its mode, taken over when it was left behind, and never from a living process', async () => {
    const path = join(folder, 'in.sock')
    const runner = bench.start('unix', { listen: path, mode: '600' })
    await until('it listens', () => runner.status().state === 'reading')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const socket = await dial({ path })
    socket.write('hello\n')
    await until('a record', () => bench.texts.includes('hello'))
    const second = bench.start('unix', { listen: path }, { name: 'source-2' })
    const waiting = await until('the second one waits', () => second.status().state === 'waiting' && second.status())
    expect(waiting.reason).toContain('EADDRINUSE')
    const client = bench.start('unix', { connect: path }, { name: 'source-3' })
    await until('a client connects', () => client.status().state === 'reading')
  })
})

describe('udp', () => {
  test('each datagram is a record; those from elsewhere, and those without room, are counted', async () => {
    const port = await freePort()
    const runner = bench.start('udp', { listen: `127.0.0.1:${port}`, from: ['127.0.0.1'] })
    await until('it listens', () => runner.status().state === 'reading')
    const here = createSocket('udp4')
    const elsewhere = createSocket('udp4')
    await new Promise<void>(resolve => elsewhere.bind(0, '127.0.0.2', () => resolve()))
    const send = (socket: typeof here, text: string) => new Promise(resolve => socket.send(text, port, '127.0.0.1', resolve))
    await send(here, 'one\ntwo')
    await until('one record', () => bench.records.length === 1)
    expect(bench.texts).toEqual(['one\ntwo'])
    await send(elsewhere, 'stranger')
    await until('it was counted', () => runner.status().trouble['a datagram from elsewhere'] === 1)
    bench.full = true
    await send(here, 'held')
    await until('it is blocked', () => runner.status().state === 'blocked')
    await send(here, 'lost')
    await until('it was counted', () => runner.status().trouble['a datagram was lost, the buffer being full'] === 1)
    bench.roomAgain()
    await until('what was held', () => bench.texts.includes('held'))
    await send(here, 'next')
    await until('the next', () => bench.texts.includes('next'))
    here.close()
    elsewhere.close()
  })
})

test.each([
  ['10.0.0.7:502', { host: '10.0.0.7', port: 502 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['plc.example:9', { host: 'plc.example', port: 9 }],
  ['::1:80', undefined],
  ['host', undefined],
  ['host:70000', undefined],
])('%s as an address', (text, expected) => {
  expect(parseAddress(text)).toEqual(expected)
})

test('a client and a listener at once is refused', () => {
  expect(tcpOptions.safeParse({}).success).toBe(false)
  expect(tcpOptions.safeParse({ connect: 'a:1', listen: 'b:1' }).success).toBe(false)
})
