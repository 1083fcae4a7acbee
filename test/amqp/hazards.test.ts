import type { Server, Socket } from 'node:net'
import { connect } from 'node:net'
import rhea, { type EventContext } from 'rhea'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Outcome } from '../../src/amqp/amqp.ts'
import { until } from '../support/until.ts'
import { closers, core, gateway, message } from './ends.ts'
import { RawSender } from './raw-sender.ts'

/*
  What rhea does by itself, and what is made of it here: each hazard is shown on plain rhea first, so that a version which has mended it is noticed.
*/

interface Plain {
  readonly port: number
  readonly bodies: Buffer[]
  readonly errors: unknown[]
  readonly disconnects: number
  /** Of all its connections. */
  bytesRead(): number
}

/** A receiver on plain rhea. */
async function plain(onMessage: (context: EventContext) => void = () => {}): Promise<Plain> {
  const container = rhea.create_container({ id: 'plain' })
  const found = { port: 0, bodies: [] as Buffer[], errors: [] as unknown[], disconnects: 0 }
  container.on('message', context => {
    const content = (context.message?.body as { content?: Buffer } | undefined)?.content
    if (content) found.bodies.push(content)
    onMessage(context)
  })
  for (const event of ['error', 'protocol_error', 'connection_error', 'session_error']) {
    container.on(event, error => void found.errors.push(error))
  }
  container.on('disconnected', () => found.disconnects++)
  const options = { port: await freePort(), host: '127.0.0.1', receiver_options: { autoaccept: false, credit_window: 5_000 } }
  const server = container.listen(options as never) as unknown as Server
  const sockets: Socket[] = []
  server.on('connection', socket => sockets.push(socket))
  await until('the plain server', () => server.address() ?? undefined)
  closers.push(() => void server.close())
  const bytesRead = () => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0)
  return Object.assign(found, { port: (server.address() as { port: number }).port, bytesRead })
}

const portOf = (url: string) => Number(new URL(url).port)

/** The halves of an encoded message of two data sections: each by itself is a message. */
const FIRST = RawSender.encode(Buffer.from('first half'))
const SECOND = RawSender.encode(Buffer.from('second half'))

describe('a delivery that its sender aborts in the middle', () => {
  async function abort(port: number): Promise<RawSender> {
    const sender = await RawSender.attach(port)
    closers.push(() => sender.end())
    await until('credit', () => sender.hasCredit)
    sender.transfer(FIRST, { more: true })
    sender.transfer(Buffer.alloc(0), { follows: true, aborted: true })
    return sender
  }

  test('plain rhea delivers the half that came as if it were whole', async () => {
    const end = await plain()
    await abort(end.port)
    await until('something is delivered', () => end.bodies.length > 0)
    expect(end.bodies[0]?.toString()).toBe('first half')
  })

  test('here nothing of it is delivered, and what comes after it is', async () => {
    const end = await core()
    const sender = await abort(portOf(end.url))
    sender.transfer(SECOND)
    await until('the whole one', () => end.deliveries.length > 0)
    expect(end.deliveries.map(({ message: { body } }) => body.toString())).toEqual(['second half'])
  })
})

describe('an exception in a handler', () => {
  const thrower = () => {
    throw new Error('a defect of ours')
  }

  test('plain rhea drops the connection, and everybody on it', async () => {
    const end = await plain(thrower)
    const connection = await gateway(`amqp://127.0.0.1:${end.port}`)
    const sender = await connection.openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    sender.send(message(1), () => {})
    await connection.closed
    expect(end.disconnects + end.errors.length).toBeGreaterThan(0)
  })

  test('here that delivery is released, and the next ones are handled', async () => {
    const end = await core()
    let calls = 0
    end.onDelivery = delivery => {
      if (calls++ === 0) thrower()
      delivery.accept()
    }
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    const seen: Outcome[] = []
    for (const number of [0, 1]) sender.send(message(number), outcome => (seen[number] = outcome))
    await until('both outcomes', () => seen[0] && seen[1])
    expect(seen).toEqual(['released', 'accepted'])
  })
})

describe('more deliveries than a session holds', () => {
  test('plain rhea throws', async () => {
    const end = await plain()
    const container = rhea.create_container({ id: 'many' })
    const connection = container.connect({ port: end.port, host: '127.0.0.1', reconnect: false })
    connection.on('disconnected', () => {})
    closers.push(() => connection.close())
    const sender = connection.open_sender('in')
    await new Promise(resolve => sender.once('sendable', resolve))
    expect(() => {
      for (let number = 0; number < 2_100; number++) sender.send({ body: 'x' })
    }).toThrow()
  })

  test('here there is no room before that, and there is again as they are settled', async () => {
    const end = await core({ credit: 4_000 })
    const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
    await until('credit', () => sender.room > 0)
    let settled = 0
    let sent = 0
    const pump = () => {
      while (sent < 3_500 && sender.room > 0) {
        sent += 1
        sender.send(message(sent), () => settled++)
      }
    }
    sender.onRoom(pump)
    pump()
    expect(sent).toBeLessThan(2_048)
    expect(sent).toBeGreaterThan(1_000)
    end.onDelivery = delivery => delivery.accept()
    await until('what was held came', () => end.deliveries.length >= sent)
    for (const delivery of end.deliveries) delivery.accept()
    await until('all of it', () => settled === 3_500)
  })
})

describe('a link without credit beside one that has some', () => {
  test('plain rhea lets what waits for credit block the other one', async () => {
    const end = await plainWithoutCreditFor('starved')
    const container = rhea.create_container({ id: 'two' })
    const connection = container.connect({ port: end.port, host: '127.0.0.1', reconnect: false })
    connection.on('disconnected', () => {})
    closers.push(() => connection.close())
    const session = connection.create_session()
    session.begin()
    const [starved, other] = ['starved', 'fed'].map(target => session.open_sender({ target }))
    await new Promise(resolve => other?.once('sendable', resolve))
    starved?.send({ body: rhea.message.data_section(Buffer.from('waits')) })
    other?.send({ body: rhea.message.data_section(Buffer.from('could go')) })
    // What a session of its own sends after them arrives, and they do not.
    const apart = connection.create_session()
    apart.begin()
    const third = apart.open_sender({ target: 'apart' })
    await new Promise(resolve => third.once('sendable', resolve))
    third.send({ body: 'from another session' })
    await until('something arrives', () => end.bodies.length > 0)
    expect(end.bodies).toEqual(['from another session'])
  })

  test('here each has a session of its own', async () => {
    const end = await core({ credit: 0 })
    const connection = await gateway(end.url)
    const starved = await connection.openSender({ address: 'starved', timeoutMs: 2_000 })
    const fed = await connection.openSender({ address: 'fed', timeoutMs: 2_000 })
    await until('both are attached', () => end.receivers.length === 2)
    end.receivers[1]?.grant(10)
    await until('credit', () => fed.room > 0)
    expect(starved.room).toBe(0)
    fed.send(message(1), () => {})
    await until('it arrives', () => end.deliveries.length === 1)
  })

  async function plainWithoutCreditFor(address: string): Promise<Pick<Plain, 'port' | 'bodies'>> {
    const container = rhea.create_container({ id: 'plain' })
    const found: { port: number; readonly bodies: Buffer[] } = { port: 0, bodies: [] }
    container.on('message', context => found.bodies.push(context.message?.body))
    container.on('receiver_open', context => {
      if (context.receiver?.target.address !== address) context.receiver?.add_credit(10)
    })
    const options = { port: await freePort(), host: '127.0.0.1', receiver_options: { credit_window: 0 } }
    const server = container.listen(options as never) as unknown as Server
    await until('the plain server', () => server.address() ?? undefined)
    closers.push(() => void server.close())
    return Object.assign(found, { port: (server.address() as { port: number }).port })
  }
})

describe('a frame that says it has 2 GiB', () => {
  const CHUNKS = 20
  const CHUNK_BYTES = 64 * 1_024
  const bytes = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0])

  function shout(port: number): { closed: boolean } {
    const state = { closed: false }
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.on('close', () => {
      state.closed = true
    })
    closers.push(() => void socket.destroy())
    socket.resume()
    socket.write(bytes)
    for (let chunk = 0; chunk < CHUNKS; chunk++) socket.write(Buffer.alloc(CHUNK_BYTES))
    return state
  }

  test('plain rhea goes on keeping what comes of it', async () => {
    const end = await plain()
    const state = shout(end.port)
    await until('it has read all of it', () => end.bytesRead() === bytes.length + CHUNKS * CHUNK_BYTES)
    expect(state).toEqual({ closed: false })
  })

  test('here its sender is cut off', async () => {
    const state = shout(portOf((await core()).url))
    await until('it is cut off', () => state.closed)
  })
})

describe('a first delivery that has no number', () => {
  test('plain rhea takes it, and throws when it is settled', async () => {
    let thrown: unknown
    const end = await plain(context => {
      context.delivery?.accept()
      // What is settled is written with the next tick, where nobody catches.
      const session = context.session as unknown as { incoming: { updated: unknown[]; process(of: unknown): void } }
      try {
        session.incoming.process(session)
      } catch (error) {
        thrown = error
      }
      session.incoming.updated = []
    })
    const sender = await RawSender.attach(end.port)
    closers.push(() => sender.end())
    sender.transfer(RawSender.encode(Buffer.from('whose is it')), { unnumbered: true })
    await until('it is settled', () => thrown)
    expect(String(thrown)).toContain('Field first is mandatory')
  })

  test('here its sender is cut off', async () => {
    const end = await core()
    end.onDelivery = delivery => delivery.accept()
    const sender = await RawSender.attach(portOf(end.url))
    closers.push(() => sender.end())
    await until('it has credit', () => sender.hasCredit)
    sender.transfer(RawSender.encode(Buffer.from('whose is it')), { unnumbered: true })
    await until('it is cut off', () => sender.closed)
    expect(end.deliveries).toEqual([])
  })
})
