import { connect } from 'node:net'
import rhea from 'rhea'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Delivery, Outcome } from '../../src/amqp/amqp.ts'
import { dial } from '../../src/amqp/dial.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { closers, core, deps, gateway, message } from './ends.ts'

describe('a connection', () => {
  test('carries bodies, properties and answers', async () => {
    const end = await core()
    const connection = await gateway(end.url)
    const got: string[] = []
    const receiver = await connection.openReceiver({
      address: null,
      timeoutMs: 2_000,
      onDelivery: delivery => {
        got.push(delivery.message.body.toString())
        delivery.accept()
      },
    })
    receiver.grant(5)
    const sender = await connection.openSender({ address: 'headrace/open', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    const outcome = new Promise<Outcome>(resolve =>
      sender.send({ ...message(7), replyTo: receiver.address, correlationId: 'c1' }, resolve),
    )
    const delivery = await until('the message', () => end.deliveries[0])
    expect(delivery.message).toMatchObject({
      properties: { gateway: 'g', session: 2 ** 40, count: 7 },
      replyTo: receiver.address,
      correlationId: 'c1',
    })
    delivery.accept()
    expect(await outcome).toBe('accepted')
    const reply = await until('the way back', () =>
      end.replies.find(sender => sender.address === receiver.address && sender.room > 0),
    )
    reply.send({ body: Buffer.from('yes'), properties: {} }, () => {})
    await until('the reply', () => got[0] === 'yes')
  })

  test('a refused link says why', async () => {
    const end = await core()
    const connection = await gateway(end.url)
    await expect(connection.openSender({ address: 'forbidden', timeoutMs: 2_000 })).rejects.toThrow('headrace:not-yours')
  })

  test('every delivery gets exactly the outcome that was decided, however they are settled together', async () => {
    const random = new SeededRandom(seedOfRun('outcomes'))
    const end = await core({ credit: 4_000 })
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    const decided: Outcome[] = []
    const seen: Outcome[] = []
    let waiting: Delivery[] = []
    end.onDelivery = delivery => {
      waiting.push(delivery)
      if (random.next() < 0.8 && end.deliveries.length < 3_000) return
      for (const each of waiting) {
        const outcome = random.pick(['accepted', 'accepted', 'accepted', 'released', 'modified', 'rejected'] as const)
        decided[each.message.properties['count'] as number] = outcome
        if (outcome === 'accepted') each.accept()
        else if (outcome === 'released') each.release()
        else if (outcome === 'modified') each.modify({ failed: true })
        else each.reject({ condition: 'x:y', description: 'no' })
      }
      waiting = []
    }
    let sent = 0
    const pump = () => {
      while (sent < 3_000 && sender.room > 0) {
        const number = sent++
        sender.send(message(number), outcome => {
          expect(seen[number]).toBeUndefined()
          seen[number] = outcome
        })
      }
    }
    sender.onRoom(pump)
    pump()
    await until('all outcomes', () => Object.keys(seen).length === 3_000)
    expect(seen).toEqual(decided)
    expect(new Set(seen).size).toBe(4)
  })

  test('plain rhea reports an outcome that was never decided', async () => {
    const container = rhea.create_container({ id: 'plain' })
    const held: { accept(): void; release(): void }[] = []
    container.on('message', context => {
      if (context.delivery) held.push(context.delivery)
      if (held.length === 2) {
        held[0]?.accept()
        held[1]?.release()
      }
    })
    const server = container.listen({
      port: await freePort(),
      host: '127.0.0.1',
      receiver_options: { autoaccept: false, credit_window: 10 },
    } as never)
    await until('the plain server', () => server.address() ?? undefined)
    closers.push(() => void server.close())
    const { port } = server.address() as { port: number }
    const connection = await gateway(`amqp://127.0.0.1:${port}`)
    const sender = await connection.openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room >= 2)
    const seen: Outcome[] = []
    for (const number of [0, 1]) sender.send(message(number), outcome => (seen[number] = outcome))
    await until('both outcomes', () => seen[0] && seen[1])
    expect(seen).toEqual(['accepted', 'accepted'])
  })

  test('what is unsettled when the peer goes is lost, once, and there is no room any more', async () => {
    const end = await core()
    const connection = await gateway(end.url)
    const sender = await connection.openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    const seen: Outcome[] = []
    for (let number = 0; number < 50; number++) sender.send(message(number), outcome => seen.push(outcome))
    await until('arrival', () => end.deliveries.length === 50)
    end.deliveries[0]?.accept()
    await until('one outcome', () => seen.length === 1)
    end.connections[0]?.destroy()
    await connection.closed
    expect(seen).toEqual(['accepted', ...Array(49).fill('lost')])
    expect(sender.room).toBe(0)
    expect(end.deliveries[1]?.alive).toBe(false)
    end.deliveries[1]?.accept()
  })

  test('room is credit less what waits, so that nothing is queued past it', async () => {
    const end = await core({ credit: 10 })
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room === 10)
    let sent = 0
    while (sender.room > 0) sender.send(message(sent++), () => {})
    expect(sent).toBe(10)
    expect(() => sender.send(message(11), () => {})).toThrow('room')
  })

  test('a large message arrives whole over several frames', async () => {
    const end = await core()
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    const body = Buffer.alloc(900_000, 'abc')
    sender.send({ body, properties: {} }, () => {})
    const delivery = await until('the message', () => end.deliveries[0])
    expect(delivery.message.body.equals(body)).toBe(true)
  })
})

describe('strangers', () => {
  async function shout(url: string, bytes: Buffer): Promise<void> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(bytes)
    await new Promise<void>(resolve => socket.once('close', () => resolve()))
  }

  test.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a frame of 2 GiB', Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0])],
    ['a frame smaller than its header', Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0])],
    [
      'garbage in a frame',
      Buffer.concat([Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0, 0, 0, 0, 40, 2, 0, 0, 0]), Buffer.alloc(32, 0x99)]),
    ],
  ])('%s is cut off, and others are served', async (_what, bytes) => {
    const end = await core()
    await shout(end.url, bytes)
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    expect(sender.address).toBe('in')
  })

  test('one who says nothing is cut off', async () => {
    const end = await core({ openLimitMs: 100 })
    await shout(end.url, Buffer.alloc(0))
    expect(end.connections).toEqual([])
  })

  test('a server that never speaks is given up in time', async () => {
    const { createServer } = await import('node:net')
    const mute = createServer(() => {})
    const free = await freePort()
    await new Promise<void>(resolve => mute.listen(free, '127.0.0.1', resolve))
    closers.push(() => void mute.close())
    const { port } = mute.address() as { port: number }
    await expect(dial({ url: `amqp://127.0.0.1:${port}`, containerId: 'g', openLimitMs: 100, ...deps })).rejects.toThrow(
      'not open after',
    )
  })

  test('nobody there is said at once', async () => {
    await expect(dial({ url: 'amqp://127.0.0.1:1', containerId: 'g', ...deps })).rejects.toMatchObject({ code: 'link_lost' })
  })
})
