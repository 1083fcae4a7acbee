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

test('what a broker retains is read once, and not as a new reading with each connection', async () => {
  const publisher = await broker.publisher()
  await publisher.publishAsync('kept/a', 'retained', { qos: 1, retain: true })
  const runner = bench.start('mqtt', { url: broker.url, topics: ['kept/#'], client_id: 'once' })
  await until('a record', () => bench.texts.includes('retained'))
  for (const text of ['first', 'second']) {
    await broker.end('SIGTERM')
    await until('it waits', () => runner.status().state === 'waiting')
    await broker.run()
    await until('it reads again', () => runner.status().state === 'reading')
    await publisher.publishAsync('kept/a', text, { qos: 1 })
    await until('what came then', () => bench.texts.includes(text))
  }
  expect(bench.texts).toEqual(['retained', 'first', 'second'])
  await publisher.endAsync()
})

test('a message that lies in two of the topics comes once, where one of them covers the other: the broker sends it for each', async () => {
  const earlier = mqttLibrary.connect(broker.url, {
    clientId: 'over',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
  })
  await earlier.subscribeAsync(['over/+/t'], { qos: 1 })
  await earlier.endAsync()
  const publisher = await broker.publisher()
  const runner = bench.start('mqtt', { url: broker.url, topics: ['over/+/t', 'over/#', 'over/#'], client_id: 'over' })
  await until('it reads', () => runner.status().state === 'reading')
  await publisher.publishAsync('over/a/t', 'one', { qos: 1 })
  await publisher.publishAsync('over/a', 'end', { qos: 1 })
  await until('the last', () => bench.texts.includes('end'))
  expect(bench.texts).toEqual(['one', 'end'])
  await publisher.endAsync()
})

test('a topic that was taken out of the pipeline file is read no more: the broker keeps it with the session', async () => {
  const publisher = await broker.publisher()
  const first = new SourceBench()
  const before = first.start('mqtt', { url: broker.url, topics: ['fewer/a', 'fewer/noisy'], client_id: 'fewer' })
  await until('it reads', () => before.status().state === 'reading')
  await first.end()
  const runner = bench.start('mqtt', { url: broker.url, topics: ['fewer/a'], client_id: 'fewer' })
  await until('it reads', () => runner.status().state === 'reading')
  for (const topic of ['fewer/noisy', 'fewer/a']) await publisher.publishAsync(topic, topic, { qos: 1 })
  await until('what is read', () => bench.texts.includes('fewer/a'))
  expect(bench.texts).toEqual(['fewer/a'])
  expect(runner.status().trouble).toEqual({ 'a message of a topic that is not subscribed to any more': 1 })
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

/** A session as version 0.1 left it at the broker, with a message that came while nobody listened. */
async function leaveSession(clientId: string, topic: string): Promise<void> {
  const session = { clientId, clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 600 } } as const
  const former = await mqttLibrary.connectAsync(broker.url, session)
  await former.subscribeAsync(topic, { qos: 1 })
  await former.endAsync()
  const publisher = await broker.publisher()
  await publisher.publishAsync(topic, 'while away', { qos: 1 })
  await publisher.endAsync()
}

async function isKept(clientId: string): Promise<boolean> {
  const look = mqttLibrary.connect(broker.url, { clientId, clean: false, protocolVersion: 4, manualConnect: true })
  const present = new Promise<boolean>(resolve => look.once('connect', packet => resolve(packet.sessionPresent)))
  look.connect()
  const isPresent = await present
  await look.endAsync()
  return isPresent
}

test('an upgrade changes the name of no session that the broker keeps: what it held for the source would be lost', async () => {
  await leaveSession('headrace-gw-1-was-there', 'up/a')
  const options = { url: broker.url, topics: ['up/#'] }
  bench.start('mqtt', options, { name: 'was-there', stored: 7 })
  await until('what came while nobody listened', () => bench.texts.includes('while away'))
  expect(bench.records[0]?.bookmark).toBe('headrace-gw-1-was-there')
  await bench.end()
  const again = new SourceBench()
  const runner = again.start('mqtt', options, { name: 'was-there', stored: 8, bookmark: 'headrace-gw-1-was-there' })
  await until('it reads', () => runner.status().state === 'reading')
  expect(await isKept('headrace-gw-1_was-there')).toBe(false)
  await again.end()
})

test('where the broker keeps no session under the former name the new one is taken, and nothing is left behind', async () => {
  const options = { url: broker.url, topics: ['moved/#'] }
  const runner = bench.start('mqtt', options, { name: 'moves', stored: 7 })
  await until('it reads', () => runner.status().state === 'reading')
  const publisher = await broker.publisher()
  await publisher.publishAsync('moved/a', 'hello', { qos: 1 })
  await until('a record', () => bench.texts.includes('hello'))
  expect(bench.records[0]?.bookmark).toBe('headrace-gw-1_moves')
  await publisher.endAsync()
  await bench.end()
  expect(await isKept('headrace-gw-1-moves')).toBe(false)
  expect(await isKept('headrace-gw-1_moves')).toBe(true)
})

test('another client of the same name is said', async () => {
  const runner = bench.start('mqtt', { url: broker.url, topics: ['two/#'], client_id: 'twice' })
  await until('it reads', () => runner.status().state === 'reading')
  const thief = await mqttLibrary.connectAsync(broker.url, { clientId: 'twice', protocolVersion: 5, reconnectPeriod: 0 })
  // This broker gives no reason; others do (test/source/mqtt-names.test.ts).
  await until('it is said', () => runner.status().reason?.includes('another client has the id twice'))
  await thief.endAsync(true)
})
