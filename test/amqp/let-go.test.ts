import { expect, test } from 'vitest'
import { watchedConnection } from '../../src/amqp/watched.ts'
import { until } from '../support/until.ts'
import { core, gateway, message } from './ends.ts'

const LARGE_BYTES = 3 * 2 ** 20

/** Bytes in memory of their own, as the store makes them. */
const body = (bytes: number) => Buffer.from(new ArrayBuffer(bytes)).fill('x')

test('the memory of a body that was accepted and is needed no more is given back at once', async () => {
  const { url, deliveries } = await core()
  const sender = await (await gateway(url)).openSender({ address: 'in', timeoutMs: 5_000 })
  await until('it has credit', () => sender.room > 0)
  const given = body(20_000)
  const outcomes: string[] = []
  sender.send({ ...message(1), body: given }, outcome => {
    outcomes.push(outcome)
    sender.letGo(given)
  })
  await until('it has come', () => deliveries[0])
  expect(given.length).toBe(20_000)
  deliveries[0]?.accept()
  await until('it is settled', () => outcomes.length === 1)
  expect(given.length).toBe(0)
  expect(deliveries[0]?.message.body.equals(body(20_000))).toBe(true)
})

test('but not while the system has yet to read it, whatever the peer says', async () => {
  const { url, deliveries } = await core()
  const sender = await (await gateway(url)).openSender({ address: 'in', timeoutMs: 5_000 })
  await until('it has credit', () => sender.room > 4)
  const given = Array.from({ length: 5 }, () => body(LARGE_BYTES))
  for (const each of given) sender.send({ ...message(1), body: each }, () => {})
  // All of it is handed to the socket, and more than the system takes at once.
  await new Promise(resolve => process.nextTick(resolve))
  for (const each of given) sender.letGo(each)
  expect(given.every(({ length }) => length === LARGE_BYTES)).toBe(true)
  await until('all have come', () => deliveries.length === 5)
  for (const { message: come } of deliveries) expect(come.body.equals(body(LARGE_BYTES))).toBe(true)
})

test('and memory that others use as well stays', async () => {
  const { url } = await core()
  const sender = await (await gateway(url)).openSender({ address: 'in', timeoutMs: 5_000 })
  const whole = body(200)
  const part = whole.subarray(0, 100)
  sender.letGo(part)
  expect(part.length).toBe(100)
})

test('nor is what a watch wants given back: a gateway that is traced found nothing in what it had sent', async () => {
  const { url, deliveries } = await core()
  const seen: Buffer[] = []
  const watch = { wants: () => true, now: () => 0, accepted: ({ body: passed }: { body: Buffer }) => void seen.push(passed) }
  const connection = watchedConnection(await gateway(url), watch)
  const sender = await connection.openSender({ address: 'in', timeoutMs: 5_000 })
  await until('it has credit', () => sender.room > 0)
  const given = body(20_000)
  sender.send({ ...message(1), body: given }, () => sender.letGo(given))
  await until('it has come', () => deliveries[0])
  deliveries[0]?.accept()
  await until('it is seen', () => seen.length === 1)
  expect(seen[0]?.length).toBe(20_000)
})
