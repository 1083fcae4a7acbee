import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { KafkaJs } from '../../../src/log/kafka/kafkajs-internals.ts'
import { TestAuthority } from '../../support/certificates.ts'
import { until } from '../../support/until.ts'

const FETCH = { key: 1, version: 12, name: 'Fetch' }
/** More than the system takes for a peer that does not read. */
const MORE_THAN_IS_TAKEN = 64 * 2 ** 20
const REQUESTS = 5
/** Size and header of a request with the client's name below, and the body that is sent. */
const REQUEST_BYTES = 4 + 2 + 2 + 4 + 2 + 'test'.length + 4

const CORRELATION_AT = 8

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

async function listening(server: Server): Promise<number> {
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => server.close())
  return port
}

/** What a broker does with each connection that is made to it, in turn. */
async function broker(...behaviours: ((socket: Socket) => void)[]) {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    behaviours[sockets.length]?.(socket)
    sockets.push(socket)
  })
  const port = await listening(server)
  const kafka = new KafkaJs({ brokers: [`127.0.0.1:${port}`], client_id: 'test' }, () => {})
  ends.push(() => {
    kafka.dropAll()
    for (const socket of sockets) socket.destroy()
  })
  return { sockets, kafka, connection: await kafka.open('127.0.0.1', port) }
}

function answer(request: Buffer, body: string): Buffer {
  const bytes = Buffer.alloc(8 + body.length)
  bytes.writeInt32BE(4 + body.length, 0)
  request.copy(bytes, 4, CORRELATION_AT, CORRELATION_AT + 4)
  bytes.write(body, 8)
  return bytes
}

test('requests that came while a connection was being made made one each, all but the last of which stayed until the broker ended them', async () => {
  let bytes = 0
  const count = (socket: Socket) =>
    socket.on('data', chunk => {
      bytes += chunk.length
    })
  const { sockets, kafka, connection } = await broker(...Array(REQUESTS).fill(count))
  const sent = Array.from({ length: REQUESTS }, () => connection.send(FETCH, () => [Buffer.alloc(4)]).catch(() => 'gone'))
  await until('all are there', () => bytes === REQUESTS * REQUEST_BYTES)
  expect(sockets.length).toBe(1)
  kafka.dropAll()
  expect(await Promise.all(sent)).toEqual(Array(REQUESTS).fill('gone'))
})

test('the beginning of an answer that broke off was taken for the beginning of what came by the next connection', async () => {
  const { connection } = await broker(
    socket => socket.once('data', request => socket.end(answer(request, 'a long answer').subarray(0, 14))),
    socket => socket.once('data', request => socket.write(answer(request, 'whole'))),
  )
  await expect(connection.send(FETCH, () => [Buffer.alloc(4)])).rejects.toThrow('Closed connection')
  expect(String(await connection.send(FETCH, () => [Buffer.alloc(4)]))).toBe('whole')
})

test('a connection that broke for good after the next one was made took that one with it', async () => {
  let asked: Buffer | undefined
  const { sockets, connection } = await broker(
    socket => socket.once('data', () => socket.pause().end()),
    socket =>
      socket.once('data', request => {
        asked = request
      }),
  )
  await expect(connection.send(FETCH, () => [Buffer.alloc(MORE_THAN_IS_TAKEN)])).rejects.toThrow('Closed connection')
  const next = connection.send(FETCH, () => [Buffer.alloc(4)])
  const request = await until('it is asked by the next one', () => asked)
  sockets[0]?.resetAndDestroy()
  await once(sockets[0] as Socket, 'close')
  sockets[1]?.write(answer(request, 'whole'))
  expect(String(await next)).toBe('whole')
})

test('a broker behind something that goes by the name in the TLS handshake was not found: no name was told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-sni-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const authority = new TestAuthority(folder)
  const { cert, key } = authority.issue('broker')
  const names: unknown[] = []
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, socket => {
    names.push((socket as TLSSocket & { servername?: unknown }).servername)
    socket.on('error', () => {})
    ends.push(() => socket.destroy())
  })
  const port = await listening(server)
  const kafka = new KafkaJs({ brokers: [`localhost:${port}`], client_id: 'test', tls: { ca: authority.ca } }, () => {})
  ends.push(() => kafka.dropAll())
  for (const host of ['localhost', '127.0.0.1'])
    (await kafka.open(host, port)).send(FETCH, () => [Buffer.alloc(4)]).catch(() => {})
  await until('both are there', () => names.length === 2)
  expect(new Set(names)).toEqual(new Set(['localhost', false]))
})

test('a certificate for Kafka that was renewed in place was shown from the next start on only', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-renewed-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const authority = new TestAuthority(folder)
  const [server, old, renewed] = ['broker', 'core-old', 'core-renewed'].map(name => authority.issue(name))
  if (!server || !old || !renewed) throw new Error('no certificates')
  const names: unknown[] = []
  const tls = { cert: readFileSync(server.cert), key: readFileSync(server.key), ca: readFileSync(authority.ca) }
  const listener = createTlsServer({ ...tls, requestCert: true }, socket => {
    names.push(socket.getPeerCertificate().subject.CN)
    socket.on('error', () => {})
    ends.push(() => socket.destroy())
  })
  const port = await listening(listener)
  const options = { brokers: [`127.0.0.1:${port}`], client_id: 'test', tls: { ...old, ca: authority.ca } }
  const kafka = new KafkaJs(options, () => {})
  ends.push(() => kafka.dropAll())
  const connect = async () => (await kafka.open('127.0.0.1', port)).send(FETCH, () => [Buffer.alloc(4)]).catch(() => {})
  void connect()
  await until('the old one was shown', () => names.length === 1)
  copyFileSync(renewed.cert, old.cert)
  copyFileSync(renewed.key, old.key)
  void connect()
  await until('another was shown', () => names.length === 2)
  expect(names).toEqual(['core-old', 'core-renewed'])
})
