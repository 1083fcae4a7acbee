import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { webhookSink } from '../../src/reader/realtime/webhook-sink.ts'
import { until } from '../support/until.ts'

const ALERT = { key: 'plant.hot:a/b:1000:raised', analyser: 'hot', json: '{"state":"raised","message":"zu heiß"}', timeMs: 1_000 }

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A receiver that answers as it is told, and keeps what it was asked. */
async function receiver(answer: (response: ServerResponse, request: IncomingMessage) => void, limitMs?: number) {
  const asked: { method: string | undefined; key: unknown; type: unknown; body: string; port: number | undefined }[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    const { 'idempotency-key': key, 'content-type': type } = request.headers
    asked.push({ method: request.method, key, type, body, port: request.socket.remotePort })
    answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sink = webhookSink(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, limitMs)
  closers.push(() => {
    sink.close()
    server.closeAllConnections()
    server.close()
  })
  return { sink, asked, server }
}

test('an alert is posted with its key, over one connection that is kept', async () => {
  const { sink, asked } = await receiver(response => response.writeHead(204).end())
  await sink.deliver(ALERT)
  await sink.deliver(ALERT)
  const expected = { method: 'POST', key: ALERT.key, type: 'application/json', body: ALERT.json }
  expect(asked).toMatchObject([expected, expected])
  expect(asked[0]?.port).toBe(asked[1]?.port)
})

test.each([400, 500, 302])('one that is answered with %i is not delivered, and nothing is followed', async status => {
  const { sink, asked } = await receiver(response => response.writeHead(status, { location: '/elsewhere' }).end('no'))
  await expect(sink.deliver(ALERT)).rejects.toMatchObject({
    code: 'command_failed',
    message: expect.stringMatching(new RegExp(`^the webhook http://127\\.0\\.0\\.1:\\d+ answered ${status}$`)),
  })
  expect(asked).toHaveLength(1)
})

test('a connection that the receiver lets go of while it is idle costs no alert', async () => {
  let count = 0
  const { sink, asked } = await receiver((response, request) => {
    count += 1
    if (count === 2) request.socket.resetAndDestroy()
    else response.end()
  })
  await sink.deliver(ALERT)
  await sink.deliver(ALERT)
  expect(asked).toHaveLength(3)
})

test('an answer that is cut off, or nobody there, is a failure that says so', async () => {
  const { sink, server } = await receiver((response, request) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('a', () => request.socket.destroy())
  })
  await expect(sink.deliver(ALERT)).rejects.toThrow(/did not end its answer/)
  server.closeAllConnections()
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  await closed
  await expect(sink.deliver(ALERT)).rejects.toThrow(/cannot be reached: .*ECONNREFUSED/)
})

test.each([
  ['says nothing', () => {}],
  ['does not come to the end of its answer', (response: ServerResponse) => void response.write('a')],
])('a receiver that %s has failed when its time is over, and the next alert finds another connection', async (_, answer) => {
  let isMute = false
  const { sink, asked } = await receiver(response => (isMute ? answer(response) : void response.end()), 100)
  await sink.deliver(ALERT)
  isMute = true
  await expect(sink.deliver(ALERT)).rejects.toThrow(/did not answer within 100 ms$/)
  isMute = false
  await sink.deliver(ALERT)
  await sink.deliver(ALERT)
  // The connection that was kept was in use: it was not let go of while it was idle, and what was said on it is not said again by itself.
  expect(asked).toHaveLength(4)
  expect(asked[1]?.port).toBe(asked[0]?.port)
  expect(asked[2]?.port).not.toBe(asked[0]?.port)
})

test('an alert under way when the sink is closed is not posted once more, over a connection that nobody closes', async () => {
  const held: ServerResponse[] = []
  const { sink, asked } = await receiver(response => {
    if (asked.length === 1) response.end()
    else held.push(response)
  })
  await sink.deliver(ALERT)
  const delivered = sink.deliver(ALERT)
  delivered.catch(() => {})
  await until('it is asked', () => held.length > 0)
  sink.close()
  await expect(delivered).rejects.toThrow('cannot be reached')
  expect(asked).toHaveLength(2)
})
