import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import mqttLibrary from 'mqtt'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { SourceBench } from '../source/harness.ts'
import { until } from '../support/until.ts'
import { Mosquitto } from './mosquitto.ts'

let broker: Mosquitto
let bench: SourceBench
beforeAll(async () => {
  broker = await Mosquitto.start()
})
afterAll(() => broker.remove())
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(() => bench.end())

test.each(['3.1.1', '5'])('MQTT %s: each message a record, its topic beside it, in order', async version => {
  const runner = bench.start('mqtt', {
    url: broker.url,
    topics: [`v${version}/+/temp`],
    version,
    client_id: `order-${version[0]}`,
  })
  await until('it reads', () => runner.status().state === 'reading')
  const publisher = await broker.publisher()
  for (let n = 0; n < 500; n++) void publisher.publish(`v${version}/room-${n % 3}/temp`, String(n), { qos: 1 })
  await until('all of them', () => bench.records.length === 500)
  expect(bench.texts).toEqual(Array.from({ length: 500 }, (_, n) => String(n)))
  expect(bench.records[1]?.headers).toEqual({ mqtt_topic: `v${version}/room-1/temp` })
  await publisher.endAsync()
})

test('a message is acknowledged when it is stored: what was not is sent again after a restart, and nothing is lost', async () => {
  const options = { url: broker.url, topics: ['keep/#'], client_id: 'keeps' }
  const never = new Promise<void>(() => {})
  let isStoring = true
  const first = new SourceBench()
  first.stored = () => (isStoring ? Promise.resolve() : never)
  const runner = first.start('mqtt', options)
  await until('it reads', () => runner.status().state === 'reading')
  const publisher = await broker.publisher()
  await publisher.publishAsync('keep/a', 'stored', { qos: 1 })
  await until('the first', () => first.texts.includes('stored'))
  isStoring = false
  await publisher.publishAsync('keep/a', 'taken, not stored', { qos: 1 })
  await publisher.publishAsync('keep/a', 'taken too', { qos: 1 })
  await until('both were taken', () => first.records.length === 3)
  // The connection is torn as by a power cut: another client of the same name takes the session, and gives it back.
  const thief = mqttLibrary.connect(broker.url, {
    clientId: 'keeps',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 600 },
  })
  // It acknowledges nothing.
  thief.handleMessage = () => {}
  await until('the session is taken', () => thief.connected)
  void first.end()
  await publisher.publishAsync('keep/a', 'while away', { qos: 1 })
  thief.end(true)
  bench.start('mqtt', options)
  await until('what was not stored comes again, then the rest', () => bench.texts.includes('while away'))
  expect(bench.texts).toEqual(['taken, not stored', 'taken too', 'while away'])
  await publisher.endAsync()
})

test('a broker that is killed and comes back: goes on by itself, and what it kept is not lost', async () => {
  const runner = bench.start('mqtt', { url: broker.url, topics: ['kill/#'], client_id: 'survives' })
  await until('it reads', () => runner.status().state === 'reading')
  const publisher = await broker.publisher()
  await publisher.publishAsync('kill/a', 'before', { qos: 1 })
  await until('a record', () => bench.texts.includes('before'))
  await broker.end('SIGKILL')
  const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
  expect(waiting.reason).toContain(broker.url)
  await broker.run()
  await until('it reads again', () => runner.status().state === 'reading')
  await publisher.publishAsync('kill/a', 'after', { qos: 1 })
  await until('another', () => bench.texts.includes('after'))
  await publisher.endAsync()
})

test('while there is no room nothing is read on; afterwards everything comes, in order', async () => {
  const runner = bench.start('mqtt', { url: broker.url, topics: ['full/#'], client_id: 'full' })
  await until('it reads', () => runner.status().state === 'reading')
  bench.full = true
  const publisher = await broker.publisher()
  for (let n = 0; n < 3_000; n++) void publisher.publish('full/a', String(n), { qos: 1 })
  await until('it is blocked', () => runner.status().state === 'blocked')
  expect(runner.status().read).toBeLessThan(100)
  bench.roomAgain()
  await until('all of them', () => bench.records.length === 3_000)
  expect(bench.texts).toEqual(Array.from({ length: 3_000 }, (_, n) => String(n)))
  await publisher.endAsync()
})

test('a password and a certificate may come later than the source, as mounted secrets do: it waited for ever', async () => {
  const ca = join(broker.folder, 'later.pem')
  const password = join(broker.folder, 'later.txt')
  const url = `mqtts://127.0.0.1:${broker.tlsPort}`
  const runner = bench.start('mqtt', {
    url,
    topics: ['late/#'],
    client_id: 'late',
    username: 'a',
    password_file: password,
    tls: { ca },
  })
  const reason = () => runner.status().reason ?? ''
  await until('it says that there is no password', () => reason().includes('later.txt'))
  writeFileSync(password, 'secret\n')
  await until('it says that there is no certificate', () => reason().includes('later.pem'))
  copyFileSync(broker.certificate, ca)
  await until('it reads', () => runner.status().state === 'reading')
})

test('over TLS with an authority that is named; without it the reason is said', async () => {
  const url = `mqtts://127.0.0.1:${broker.tlsPort}`
  const unknown = bench.start('mqtt', { url, topics: ['tls/#'], client_id: 'tls-1' })
  await until('it is refused', () => /self-signed|certificate/.test(unknown.status().reason ?? ''))
  const password = join(broker.folder, 'password')
  writeFileSync(password, 'secret\n')
  const known = {
    url,
    topics: ['tls/#'],
    client_id: 'tls-2',
    tls: { ca: broker.certificate },
    username: 'plant',
    password_file: password,
  }
  const runner = bench.start('mqtt', known, { name: 'source-2' })
  await until('it reads', () => runner.status().state === 'reading')
  const publisher = await broker.publisher()
  await publisher.publishAsync('tls/a', 'hello', { qos: 1 })
  await until('a record', () => bench.texts.includes('hello'))
  await publisher.endAsync()
})
