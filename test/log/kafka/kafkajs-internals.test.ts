import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { KafkaJs } from '../../../src/log/kafka/kafkajs-internals.ts'
import { until } from '../../support/until.ts'

const FETCH = { key: 1, version: 12, name: 'Fetch' }
const REQUESTS = 5
/** Size and header of a request with the client's name below, and the body that is sent. */
const REQUEST_BYTES = 4 + 2 + 2 + 4 + 2 + 'test'.length + 4

test('requests that came while a connection was being made made one each, all but the last of which stayed until the broker ended them', async () => {
  const sockets: Socket[] = []
  let bytes = 0
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      bytes += chunk.length
    })
  })
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const kafka = new KafkaJs({ brokers: [`127.0.0.1:${port}`], client_id: 'test' }, () => {})
  const connection = await kafka.open('127.0.0.1', port)
  const sent = Array.from({ length: REQUESTS }, () => connection.send(FETCH, () => [Buffer.alloc(4)]).catch(() => 'gone'))
  await until('all are there', () => bytes === REQUESTS * REQUEST_BYTES)
  expect(sockets.length).toBe(1)
  kafka.dropAll()
  expect(await Promise.all(sent)).toEqual(Array(REQUESTS).fill('gone'))
  for (const socket of sockets) socket.destroy()
  server.close()
})
