import { createRequire } from 'node:module'
import rhea, { type Receiver as RheaReceiver, type Session as RheaSession } from 'rhea'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Outcome } from '../../src/amqp/amqp.ts'
import { dial } from '../../src/amqp/dial.ts'
import { AMQP_HEADER, attach, begin, flow, frame, HostilePeer, open } from '../fuzz/harness/hostile-peer.ts'
import { until } from '../support/until.ts'
import { closers, core, deps, gateway, message } from './ends.ts'

/*
  What a router, a broker or another client may do by the specification, and few do.
*/

const outcomes = createRequire(import.meta.url)('rhea/lib/message.js') as Record<
  'accepted' | 'released',
  () => { described(): object }
>

/** A peer on plain rhea that hands out its sessions, and lets every link in. */
async function broker(): Promise<{ url: string; sessions: RheaSession[] }> {
  const container = rhea.create_container({ id: 'broker' })
  const sessions: RheaSession[] = []
  container.on('session_open', context => context.session && sessions.push(context.session))
  for (const event of ['error', 'connection_error', 'session_error', 'session_close', 'disconnected'])
    container.on(event, () => {})
  const server = container.listen({ port: await freePort(), host: '127.0.0.1' } as never)
  await until('the broker', () => server.address() ?? undefined)
  closers.push(() => void server.close())
  return { url: `amqp://127.0.0.1:${(server.address() as { port: number }).port}`, sessions }
}

test('a name and a password that are not ASCII are told whole', async () => {
  const container = rhea.create_container({ id: 'broker' })
  // On a machine that stood still for a while the other end gives it up.
  for (const event of ['connection_error', 'disconnected']) container.on(event, () => {})
  const told: string[] = []
  container.sasl_server_mechanisms.enable_plain((name: string, password: string) => {
    told.push(name, password)
    return true
  })
  const server = container.listen({ port: await freePort(), host: '127.0.0.1', require_sasl: true } as never)
  await until('the broker', () => server.address() ?? undefined)
  closers.push(() => void server.close())
  const url = `amqp://127.0.0.1:${(server.address() as { port: number }).port}`
  const user = { name: 'werk-süd', password: 'großes Geheimnis €' }
  const connection = await dial({ url, containerId: 'gateway', user, ...deps })
  closers.push(() => connection.destroy())
  expect(told).toEqual([user.name, user.password])
})

const ENDED = { condition: 'amqp:internal-error', description: 'the queue is gone' }

describe('a peer that ends a session, and not its links', () => {
  test('has ended its links: who reads a queue would wait for ever', async () => {
    const far = await broker()
    const connection = await gateway(far.url)
    const receiver = await connection.openReceiver({ address: 'queue', timeoutMs: 5_000, onDelivery: () => {} })
    const sender = await connection.openSender({ address: 'queue', timeoutMs: 5_000 })
    await until('room', () => sender.room > 0)
    for (const session of far.sessions) session.close(ENDED as never)
    expect(await receiver.closed).toEqual(ENDED)
    expect(await sender.closed).toEqual(ENDED)
    expect(sender.room).toBe(0)
  })

  test('refuses the link that was to be attached to it, at once and with its reason', async () => {
    const far = await broker()
    const connection = await gateway(far.url)
    const opening = connection.openSender({ address: 'queue', timeoutMs: 60_000 })
    const session = await until('a session', () => far.sessions[0])
    session.close(ENDED as never)
    await opening.then(
      // It may have been attached before.
      async sender => expect(await sender.closed).toEqual(ENDED),
      error => expect(error).toMatchObject({ code: 'link_refused', message: expect.stringContaining('the queue is gone') }),
    )
  })
})

test('a receiver that wants its credit back gets it, behind what there is to send', async () => {
  const end = await core()
  const container = rhea.create_container({ id: 'drains' })
  // On a machine that stood still for a while the other end gives it up.
  for (const event of ['connection_error', 'disconnected']) container.on(event, () => {})
  const connection = container.connect({ port: Number(new URL(end.url).port), host: '127.0.0.1', reconnect: false })
  closers.push(() => connection.close())
  const receiver: RheaReceiver = connection.open_receiver({ source: { dynamic: true } as never, credit_window: 0 })
  const sender = await until('attached', () => end.replies[0])
  let came = 0
  receiver.on('message', () => came++)
  const drained = new Promise(resolve => receiver.once('receiver_drained', resolve))
  sender.onRoom(() => sender.send(message(1), () => {}))
  receiver.add_credit(10)
  receiver.drain_credit()
  await drained
  expect(came).toBe(1)
  expect(sender.room).toBe(0)
})

test('a message that is given back before it was sent whole is told so once, and the next one is sent', async () => {
  const end = await core()
  const peer = new HostilePeer(Number(new URL(end.url).port))
  closers.push(() => peer.end())
  const narrow = { next_outgoing_id: 0, incoming_window: 1, outgoing_window: 100 }
  await peer.write(AMQP_HEADER, open({ max_frame_size: 512 }), frame('begin', narrow))
  await peer.write(attach({ handle: 0, name: 'a', address: null, receives: true }))
  await peer.write(flow({ incoming_window: 1, handle: 0, delivery_count: 0, link_credit: 10 }))
  const sender = await until('attached', () => end.replies[0])
  await until('credit', () => sender.room > 0)
  const seen: Outcome[] = []
  const before = peer.heardBytes
  sender.send({ body: Buffer.alloc(2_000), properties: {} }, outcome => seen.push(outcome))
  sender.send(message(2), outcome => seen.push(outcome))
  await until('its first frame', () => peer.heardBytes > before)
  const released = outcomes.released().described()
  await peer.write(frame('disposition', { role: true, first: 0, settled: true, state: released }))
  // What comes of it is done by the time that the next is answered.
  await peer.write(attach({ handle: 1, name: 'b' }))
  await until('that was read', () => end.receivers.length === 1)
  await peer.write(flow({ next_incoming_id: 1, incoming_window: 100 }))
  await until('its outcome', () => seen.length === 1)
  const accepted = outcomes.accepted().described()
  await until('the other one was sent', async () => peer.heardBytes > before + 2_000)
  await peer.write(frame('disposition', { role: true, first: 1, settled: true, state: accepted }))
  await until('both outcomes', () => seen.length === 2)
  expect(seen).toEqual(['released', 'accepted'])
})

test('links of one name may follow each other', async () => {
  const end = await core()
  const peer = new HostilePeer(Number(new URL(end.url).port))
  closers.push(() => peer.end())
  await peer.write(AMQP_HEADER, open(), begin())
  for (let link = 1; link <= 3; link++) {
    const before = peer.heardBytes
    await peer.write(attach({ handle: 0, name: 'the same', address: 'forbidden' }))
    await until('refused', () => peer.heardBytes > before + 60)
    await peer.write(frame('detach', { handle: 0, closed: true }), attach({ handle: 0, name: 'the same' }))
    await until('attached', () => end.receivers.length === link)
    await peer.write(frame('detach', { handle: 0, closed: true }))
    await end.receivers[link - 1]?.closed
    // Its answer has to be there before the name is used again.
    await until('answered', () => peer.heardBytes > before + 200)
  }
})
