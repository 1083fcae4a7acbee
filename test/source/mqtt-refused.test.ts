import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { connack, identifierOf, readPacket, suback, TYPE } from '../../hardware/simulators/mqtt-packets.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

const LEVEL = 4
const DISCONNECT = 14
const SERVER_UNAVAILABLE = Buffer.from([0x20, 2, 0, 3])

let bench: SourceBench
let server: Server
const sockets: Socket[] = []
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(async () => {
  await bench.end()
  for (const socket of sockets.splice(0)) socket.destroy()
  server.close()
})

test('a broker that refuses at first, such as one that is just starting, is asked again: it was never', async () => {
  let connections = 0
  server = createServer(socket => {
    sockets.push(socket)
    const isFirst = connections++ === 0
    socket.on('error', () => {})
    socket.on('data', bytes => {
      for (let rest = bytes, read = readPacket(rest); read; read = readPacket(rest)) {
        rest = rest.subarray(read.taken)
        if (read.packet.type === TYPE.connect && isFirst) socket.end(SERVER_UNAVAILABLE)
        else if (read.packet.type === TYPE.connect) socket.write(connack(LEVEL, false))
        else if (read.packet.type === TYPE.subscribe) socket.write(suback(LEVEL, read.packet.body))
      }
    })
  })
  const port = await freePort()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', () => resolve()))
  const runner = bench.start('mqtt', { url: `mqtt://127.0.0.1:${port}`, topics: ['a'], version: '3.1.1' })
  await until('it says why', () => runner.status().reason?.includes('Server unavailable'))
  await until('it reads', () => runner.status().state === 'reading')
  expect(connections).toBe(2)
})

/** What a SUBSCRIBE of version 3.1.1 asks for. */
function filtersOf(body: Buffer): string[] {
  const filters: string[] = []
  for (let at = 2; at < body.length; ) {
    const to = at + 2 + body.readUInt16BE(at)
    filters.push(body.toString('utf8', at + 2, to))
    at = to + 1
  }
  return filters
}

test('of topics that are refused those alone are asked for again, and once for each connection that stands', async () => {
  const clock = new SimulatedClock()
  bench.clock = clock
  const asked: string[][] = []
  let hasSaidGoodbye = false
  server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', bytes => {
      for (let rest = bytes, read = readPacket(rest); read; read = readPacket(rest)) {
        const { type, body } = read.packet
        rest = rest.subarray(read.taken)
        if (type === TYPE.connect) socket.write(connack(LEVEL, false))
        if (type === DISCONNECT) hasSaidGoodbye = true
        if (type !== TYPE.subscribe) continue
        const filters = filtersOf(body)
        asked.push(filters)
        const identifier = identifierOf(body)
        const answers = filters.map(filter => (filter === 'hall/#' ? 0x80 : 1))
        socket.write(Buffer.from([0x90, 2 + answers.length, identifier >> 8, identifier & 0xff, ...answers]))
      }
    })
  })
  const port = await freePort()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', () => resolve()))
  const topics = ['a', 'hall/#', 'hall/b']
  const runner = bench.start('mqtt', { url: `mqtt://127.0.0.1:${port}`, topics, version: '3.1.1' })
  const isRefused = () => runner.status().reason?.endsWith('the broker refuses hall/#')
  await until('it says what is refused', isRefused)
  sockets.at(-1)?.destroy()
  await until('it is connected anew', () => asked.length === 4 && isRefused())
  // What is covered by what is refused is all that there is of it.
  const first = [['a', 'hall/#'], ['hall/b']]
  expect(asked).toEqual([...first, ...first])
  await clock.pass(15_000)
  await until('it asks again', () => asked.length > 4)
  await runner.stop()
  await until('all has come that was sent', () => hasSaidGoodbye)
  expect(asked.slice(4)).toEqual([['hall/#']])
})
