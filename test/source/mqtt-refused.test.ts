import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { connack, readPacket, suback, TYPE } from '../../hardware/simulators/mqtt-packets.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

const LEVEL = 4
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
