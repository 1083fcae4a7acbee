import { expect, test } from 'vitest'
import type { Delivery } from '../../src/amqp/amqp.ts'
import { dial } from '../../src/amqp/dial.ts'
import { amqpSink } from '../../src/reader/realtime/amqp-sink.ts'
import { closers, core, deps } from '../amqp/ends.ts'

const ALERT = { key: 'plant.hot:a/b:1000:raised', analyser: 'hot', json: '{"state":"raised"}', timeMs: 1_000 }

function sinkTo(url: string, address: string) {
  const sink = amqpSink(address, () => dial({ url, containerId: 'alerts', ...deps }))
  closers.push(() => sink.close())
  return sink
}

test('an alert is delivered when the peer has accepted it, with its key as a property', async () => {
  const peer = await core()
  peer.onDelivery = delivery => delivery.accept()
  await sinkTo(peer.url, 'alerts/plant').deliver(ALERT)
  expect(peer.deliveries.map(({ message }) => [message.body.toString(), message.properties['key']])).toEqual([
    [ALERT.json, ALERT.key],
  ])
})

test.each([
  ['released', (delivery: Delivery) => delivery.release()],
  ['rejected', (delivery: Delivery) => delivery.reject({ condition: 'amqp:not-allowed', description: 'no' })],
] as const)('one that is %s is not, and the next attempt, on a connection of its own, can be', async (_outcome, refuse) => {
  const peer = await core()
  peer.onDelivery = refuse
  const sink = sinkTo(peer.url, 'alerts/plant')
  await expect(sink.deliver(ALERT)).rejects.toMatchObject({ code: 'link_lost' })
  peer.onDelivery = delivery => delivery.accept()
  await sink.deliver(ALERT)
  expect(peer.deliveries).toHaveLength(2)
})

test('an address that is refused is said to be', async () => {
  const peer = await core()
  await expect(sinkTo(peer.url, 'forbidden').deliver(ALERT)).rejects.toThrow(/not yours|not-yours/)
})
