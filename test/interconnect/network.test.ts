import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Connection, Delivery, Outcome, Receiver, Sender } from '../../src/amqp/amqp.ts'
import { dial } from '../../src/amqp/dial.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { Network } from './network.ts'

const ADDRESS = 'headrace/in/gw-1/1'
const timeoutMs = 5_000
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(): Promise<Network> {
  const network = new Network(await freePort(), new SeededRandom(7))
  await network.start()
  closers.push(() => network.kill())
  return network
}

async function connect(network: Network): Promise<Connection> {
  const connection = await dial({ url: network.url, containerId: 'peer', clock: systemClock, log: silentLogger })
  closers.push(() => connection.destroy())
  return connection
}

/** A receiver that keeps what it gets. */
async function receive(network: Network, address: string, credit: number) {
  const connection = await connect(network)
  const got: Delivery[] = []
  const receiver: Receiver = await connection.openReceiver({ address, timeoutMs, onDelivery: delivery => got.push(delivery) })
  receiver.grant(credit)
  return { connection, receiver, got }
}

function send(sender: Sender, text: string, outcomes: string[]): void {
  const told = (outcome: Outcome) => outcomes.push(`${text} ${outcome}`)
  sender.send({ body: Buffer.from(text), properties: { sequence: 2 ** 40, count: 3 } }, told)
}

const texts = (got: readonly Delivery[]) => got.map(({ message }) => message.body.toString())

describe('the network that stands for routers', () => {
  test('gives no credit for an address without a receiver, and takes back nothing that it gave', async () => {
    const network = await open()
    const sender = await (await connect(network)).openSender({ address: ADDRESS, timeoutMs })
    const other = await (await connect(network)).openSender({ address: 'headrace/open', timeoutMs })
    await receive(network, 'headrace/open', 3)
    await until('the other address has credit', () => other.room === 3)
    expect(sender.room).toBe(0)
    await receive(network, ADDRESS, 5)
    await until('there is credit', () => sender.room === 5)
  })

  test('passes messages and outcomes from end to end', async () => {
    const network = await open()
    const sender = await (await connect(network)).openSender({ address: ADDRESS, timeoutMs })
    const { got } = await receive(network, ADDRESS, 10)
    await until('there is credit', () => sender.room > 0)
    const outcomes: string[] = []
    for (const text of ['a', 'b', 'c', 'd']) send(sender, text, outcomes)
    await until('they are there', () => got.length === 4)
    expect(got[0]?.message.properties).toEqual({ sequence: 2 ** 40, count: 3 })
    got[0]?.accept()
    got[1]?.release()
    got[2]?.modify({ failed: true })
    got[3]?.reject({ condition: 'x', description: 'y' })
    await until('all outcomes are known', () => outcomes.length === 4)
    expect(outcomes).toEqual(['a accepted', 'b released', 'c modified', 'd rejected'])
  })

  test('gives back what a dead receiver held, and goes on to another', async () => {
    const network = await open()
    const sender = await (await connect(network)).openSender({ address: ADDRESS, timeoutMs })
    const first = await receive(network, ADDRESS, 10)
    await until('there is credit', () => sender.room > 0)
    const outcomes: string[] = []
    for (let index = 0; index < 8; index++) send(sender, String(index), outcomes)
    await until('they are there', () => first.got.length === 8)
    first.connection.destroy()
    await until('they are back', () => outcomes.length === 8)
    expect(outcomes.toSorted()).toEqual(Array.from({ length: 8 }, (_, index) => `${index} modified`))
    expect(outcomes).not.toEqual(outcomes.toSorted())
  })

  test('spreads an address over its receivers, and copies a multicast to all', async () => {
    const network = await open()
    const connection = await connect(network)
    const balanced = await connection.openSender({ address: ADDRESS, timeoutMs })
    const copied = await connection.openSender({ address: 'headrace/ctl', timeoutMs })
    const one = [await receive(network, ADDRESS, 10), await receive(network, ADDRESS, 10)]
    const all = [await receive(network, 'headrace/ctl', 10), await receive(network, 'headrace/ctl', 10)]
    await until('there is credit', () => balanced.room >= 4 && copied.room > 0)
    for (const text of ['a', 'b', 'c', 'd']) send(balanced, text, [])
    send(copied, 'news', [])
    await until('all is there', () => one.every(({ got }) => got.length === 2) && all.every(({ got }) => got.length === 1))
    expect(one.flatMap(({ got }) => texts(got)).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('knows dynamic addresses and the anonymous terminus', async () => {
    const network = await open()
    const asking = await connect(network)
    const got: Delivery[] = []
    const replies = await asking.openReceiver({ address: null, timeoutMs, onDelivery: delivery => got.push(delivery) })
    replies.grant(5)
    const anybody = await (await connect(network)).openSender({ address: null, timeoutMs })
    await until('there is credit', () => anybody.room > 0)
    anybody.send({ body: Buffer.from('hello'), properties: {}, to: replies.address }, () => {})
    await until('it is there', () => got.length === 1)
    expect(texts(got)).toEqual(['hello'])
  })

  test('splits and aborts transfers, and what arrives is whole all the same', async () => {
    const network = await open()
    network.mischief = { split: 0.5, aborted: 0.4, released: 0, modified: 0 }
    const sender = await (await connect(network)).openSender({ address: ADDRESS, timeoutMs })
    const { got } = await receive(network, ADDRESS, 200)
    await until('there is credit', () => sender.room >= 50)
    const outcomes: string[] = []
    const sent = Array.from({ length: 50 }, (_, index) => `${index}`.repeat(500))
    for (const text of sent) send(sender, text, outcomes)
    await until('all are there', () => got.length === 50)
    for (const delivery of got) delivery.accept()
    await until('all are settled', () => outcomes.length === 50)
    expect(texts(got)).toEqual(sent)
    expect(network.counts.aborted).toBeGreaterThan(5)
    expect(network.counts.split).toBeGreaterThan(5)
  })
})
