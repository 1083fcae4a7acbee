import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Connection, Delivery, Outcome, PeerError, PeerIdentity, Sender } from '../../src/amqp/amqp.ts'
import {
  ADDRESS,
  encodeOpenReply,
  encodeOpenRequest,
  type OpenReply,
  type OpenRequest,
  openReplySchema,
  PROTOCOL_VERSION,
} from '../../src/amqp/messages.ts'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { World } from '../link/world.ts'
import { cutBatch } from '../support/batches.ts'

/** A gateway by hand: says what the test wants, as a stranger's implementation of docs/protocol.md might. */
class Peer {
  readonly #world: World
  readonly connection: Connection
  /** What became of the latest request, once it is known. */
  lastOutcome: Outcome | undefined
  readonly #replies: OpenReply[]
  readonly #opener: Sender
  readonly #replyTo: string

  private constructor(world: World, connection: Connection, replies: OpenReply[], opener: Sender, replyTo: string) {
    this.#world = world
    this.connection = connection
    this.#replies = replies
    this.#opener = opener
    this.#replyTo = replyTo
  }

  static async connect(world: World, identity?: PeerIdentity): Promise<Peer> {
    const connection = await world.network.dial('core-1', identity)
    const replies: OpenReply[] = []
    const onDelivery = (delivery: Delivery) => {
      replies.push(openReplySchema.parse(JSON.parse(delivery.message.body.toString())))
      delivery.accept()
    }
    const receiver = await soon(world, connection.openReceiver({ address: null, timeoutMs: 1_000, onDelivery }))
    const opener = await soon(world, connection.openSender({ address: ADDRESS.open, timeoutMs: 1_000 }))
    receiver.grant(100)
    await world.clock.pass(10)
    return new Peer(world, connection, replies, opener, receiver.address)
  }

  /** Asks, and gives the reply, or what became of the request where there was none. */
  async ask(request: Partial<OpenRequest>, body?: Buffer): Promise<OpenReply | Outcome | undefined> {
    const whole: OpenRequest = {
      version: PROTOCOL_VERSION,
      gateway: 'gw-1',
      instance: 'instance-1',
      session: 1,
      sources: [{ source: 'source-1', topic: 'topic-1' }],
      ...request,
    }
    let outcome: Outcome | undefined
    this.lastOutcome = undefined
    const message = { body: body ?? encodeOpenRequest(whole), properties: {}, replyTo: this.#replyTo, correlationId: 'x' }
    this.#opener.send(message, told => {
      outcome = told
      this.lastOutcome = told
    })
    await this.#world.clock.pass(50)
    return this.#replies.shift() ?? outcome
  }

  /** The data link of a session, with credit. */
  async data(session: number, gateway = 'gw-1'): Promise<Sender> {
    const sender = await soon(
      this.#world,
      this.connection.openSender({ address: ADDRESS.data(gateway, session), timeoutMs: 1_000 }),
    )
    await this.#world.clock.pass(10)
    return sender
  }
}

async function soon<T>(world: World, promise: Promise<T>): Promise<T> {
  const settled = promise.catch(() => undefined)
  await world.clock.pass(20)
  await settled
  return promise
}

async function start(proof: 'required' | 'optional' = 'optional') {
  const world = new World(3)
  await world.startIngress('core-1', { mayWrite: identityRule(proof) })
  return world
}

function send(sender: Sender, batch: CutBatch, changes: Record<string, string | number> = {}) {
  const told: { outcome?: Outcome; error?: PeerError | undefined } = {}
  const properties = { gateway: 'gw-1', session: 1, source: 'source-1', sequence: batch.sequence, count: batch.count, ...changes }
  sender.send({ body: batch.bytes, properties }, (outcome, error) => Object.assign(told, { outcome, error }))
  return told
}

const certificate = (name: string): PeerIdentity => ({ method: 'certificate', name })

describe('an opening', () => {
  test('is answered with the claim, the end and the last batch', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    expect(await peer.ask({})).toEqual({
      version: 1,
      session: 1,
      log: 'kafka:memory-log-1',
      sources: [
        {
          source: 'source-1',
          topic: 'topic-1',
          partition: 0,
          topicId: 'id-of-topic-1',
          producerId: 1_000,
          epoch: 0,
          epochStart: 0,
          end: 0,
          last: null,
        },
      ],
    })
    const sender = await peer.data(1)
    const batch = cutBatch(0, 3)
    const told = send(sender, batch)
    await world.clock.pass(50)
    expect(told.outcome).toBe('accepted')
    expect(await peer.ask({ session: 2 })).toMatchObject({
      sources: [{ end: 3, last: { sequence: 0, count: 3, crc: batch.crc } }],
    })
  })

  test('of a gateway that knows more, or less, than this core goes through', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    const newer = {
      ...{ version: 1, gateway: 'gw-1', instance: 'instance-1', session: '1', weather: 'fine' },
      sources: [
        { source: 'source-1', topic: 'topic-1', colour: 'red', fields: { temp: { type: 'complex', unit: '°C', range: [0, 9] } } },
        { source: 'source-2', topic: 'topic-1', fields: 'none', retired: 'soon' },
        { source: 'source-3', topic: 'topic-1' },
      ],
    }
    expect(await peer.ask({}, Buffer.from(JSON.stringify(newer)))).toMatchObject({
      sources: [{ end: 0 }, { end: 0 }, { end: 0 }],
    })
    await world.clock.pass(50)
    const claims = await world.log.claims()
    expect(claims.map(({ fields }) => fields)).toEqual([{ temp: { unit: '°C' } }, undefined, undefined])
    expect(claims.every(({ retiredMs }) => retiredMs === undefined)).toBe(true)
  })

  test('is read by a core from before fields and retirement, and its reply by a gateway from then', async () => {
    const request = encodeOpenRequest({
      ...{ version: PROTOCOL_VERSION, gateway: 'gw-1', instance: 'instance-1', session: 1 },
      sources: [{ source: 'source-1', topic: 'topic-1', fields: { temp: { unit: '°C' } }, retired: true }],
    })
    // As version 0.1.0 of the project read them.
    const oldSource = z.object({ source: z.string(), topic: z.string() })
    const oldRequest = z.object({ version: z.literal(1), session: z.string(), sources: z.array(oldSource) })
    expect(oldRequest.parse(JSON.parse(request.toString()))).toEqual({
      ...{ version: 1, session: '1' },
      sources: [{ source: 'source-1', topic: 'topic-1' }],
    })
    const oldOpened = z.object({ source: z.string(), end: z.string(), last: z.null(), topicId: z.string() })
    const world = await start()
    const reply = await (await Peer.connect(world)).ask({}, request)
    if (typeof reply !== 'object' || 'error' in reply) throw new Error('no reply')
    expect(reply.sources[0]).toMatchObject({ retired: true })
    const sent = JSON.parse(encodeOpenReply(reply).toString())
    expect(z.object({ sources: z.array(oldOpened) }).parse(sent).sources[0]).toEqual({
      ...{ source: 'source-1', end: '0', last: null, topicId: 'id-of-topic-1' },
    })
  })

  test('that is not above the newest session is told that session', async () => {
    const peer = await Peer.connect(await start())
    await peer.ask({ session: 7 })
    expect(await peer.ask({ session: 7 })).toMatchObject({ session: 7, error: { code: 'session_not_new' } })
    expect(await peer.ask({ session: 3 })).toMatchObject({ session: 7, error: { code: 'session_not_new' } })
    expect(await peer.ask({ session: 8 })).toMatchObject({ session: 8, log: 'kafka:memory-log-1' })
  })

  test('of another instance is refused while the known one is there, and lets the known one be', async () => {
    const world = await start()
    const [one, other] = [await Peer.connect(world), await Peer.connect(world)]
    await one.ask({ session: 5 })
    const sender = await one.data(5)
    expect(await other.ask({ session: 6, instance: 'instance-2' })).toMatchObject({ error: { code: 'other_instance' } })
    const told = send(sender, cutBatch(0, 1), { session: 5 })
    await world.clock.pass(50)
    expect(told.outcome).toBe('accepted')
    one.connection.close()
    await world.clock.pass(10)
    expect(await other.ask({ session: 5, instance: 'instance-2' })).toMatchObject({ error: { code: 'other_instance' } })
    expect(await other.ask({ session: 6, instance: 'instance-2' })).toMatchObject({ log: 'kafka:memory-log-1' })
  })

  test('of another instance is taken once an operator has said that it is the real one', async () => {
    const world = await start()
    const [one, other] = [await Peer.connect(world), await Peer.connect(world)]
    await one.ask({ session: 5 })
    world.ingresses.get('core-1')?.forget('gw-1')
    expect(await other.ask({ session: 1, instance: 'instance-2' })).toMatchObject({ log: 'kafka:memory-log-1' })
  })

  test.each([
    ['no JSON', Buffer.from('{')],
    ['another version', Buffer.from('{"version":2}')],
    ['a name that is none', Buffer.from('{"version":1,"gateway":"../x","instance":"instance-1","session":"1","sources":[]}')],
  ])('with %s is told so', async (_what, body) => {
    const peer = await Peer.connect(await start())
    expect(await peer.ask({}, body)).toMatchObject({ error: { code: 'malformed' } })
  })

  test('as another gateway than the certificate names is refused', async () => {
    const world = await start('required')
    expect(await (await Peer.connect(world)).ask({})).toMatchObject({ error: { code: 'not_yours' } })
    expect(await (await Peer.connect(world, certificate('gw-2'))).ask({})).toMatchObject({ error: { code: 'not_yours' } })
    expect(await (await Peer.connect(world, certificate('gw-1'))).ask({})).toMatchObject({ log: 'kafka:memory-log-1' })
  })

  test('is released while the log cannot be reached', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    world.log.away = true
    expect(await peer.ask({})).toBe('released')
    world.log.away = false
    expect(await peer.ask({ session: 2 })).toMatchObject({ log: 'kafka:memory-log-1' })
  })

  test('of many sources says of each what is wrong with it', async () => {
    const peer = await Peer.connect(await start())
    const sources = [
      { source: 'source-1', topic: 'topic-1' },
      { source: 'source-2', topic: 'taken' },
    ]
    const reply = (await peer.ask({ sources })) as Extract<OpenReply, { log: string }>
    expect(reply.sources).toHaveLength(2)
    expect(reply.sources).toContainEqual(expect.objectContaining({ source: 'source-1', partition: 0 }))
    expect(reply.sources).toContainEqual({
      source: 'source-2',
      error: { code: 'topic_refused', message: 'the topic taken holds other data', advice: 'Choose another topic.' },
    })
  })

  test('of a source whose topic is refused the log of the core says why, and not only the gateway', async () => {
    const lines: object[] = []
    const logger: Logger = { ...silentLogger, warn: fields => void lines.push(fields), child: () => logger }
    const world = new World(1)
    await world.startIngress('core-1', { logger })
    await (await Peer.connect(world)).ask({ sources: [{ source: 'source-2', topic: 'taken' }] })
    expect(lines).toEqual([{ gateway: 'gw-1', session: 1, source: 'source-2', reason: 'the topic taken holds other data' }])
  })

  test('says one end and the last batch before it, also where something came between the two questions', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    await peer.ask({})
    const { lastBatch } = world.log
    world.log.lastBatch = place => {
      if (world.log.bounds(place).next === 1) world.log.intrude(place, cutBatch(1, 4).bytes)
      return lastBatch.call(world.log, place)
    }
    world.log.intrude({ topic: 'topic-1', partition: 0 }, cutBatch(0, 1).bytes)
    expect(await peer.ask({ session: 2 })).toMatchObject({ sources: [{ end: 5, last: { sequence: 1, count: 4 } }] })
  })

  test('a question about ends changes no session, and is answered by the holder alone', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    expect(await peer.ask({ session: 1, ask: 'ends' })).toBe('released')
    await peer.ask({ session: 1 })
    const sender = await peer.data(1)
    expect(await peer.ask({ session: 1, ask: 'ends' })).toMatchObject({ session: 1, sources: [{ source: 'source-1', end: 0 }] })
    expect(await peer.ask({ session: 9, ask: 'ends' })).toMatchObject({ session: 1, error: { code: 'session_not_new' } })
    const told = send(sender, cutBatch(0, 1))
    await world.clock.pass(50)
    expect(told.outcome).toBe('accepted')
  })
})

describe('a data link', () => {
  test('is refused where its session is not the one that was opened last on that connection', async () => {
    const world = await start()
    const [peer, stranger] = [await Peer.connect(world), await Peer.connect(world)]
    await expect(peer.data(1)).rejects.toMatchObject({ code: 'link_refused' })
    await peer.ask({ session: 1 })
    await expect(stranger.data(1)).rejects.toMatchObject({ code: 'link_refused' })
    await expect(peer.data(2)).rejects.toMatchObject({ code: 'link_refused' })
    await peer.data(1)
    await expect(peer.data(1)).rejects.toMatchObject({ code: 'link_refused' })
  })

  test('is closed when a newer session is opened, and what comes on it is not passed on', async () => {
    const world = await start()
    const [older, newer] = [await Peer.connect(world), await Peer.connect(world)]
    await older.ask({ session: 1 })
    const sender = await older.data(1)
    await newer.ask({ session: 2 })
    await expect(soon(world, sender.closed)).resolves.toMatchObject({ condition: 'headrace:session-not-newest' })
    expect(world.ingresses.get('core-1')?.status().gateways).toMatchObject([{ gateway: 'gw-1', session: 2 }])
  })

  test('that is taken over has nothing more of it appended, not even what waits already', async () => {
    const world = await start()
    const [older, newer] = [await Peer.connect(world), await Peer.connect(world)]
    await older.ask({ session: 1 })
    const sender = await older.data(1)
    world.log.latencyMs = 20
    const told = [0, 1, 2].map(sequence => send(sender, cutBatch(sequence, 1)))
    await world.clock.passUntil(() => world.log.appends === 1, 1_000)
    await newer.ask({ session: 2 })
    await world.clock.pass(1_000)
    expect(world.log.appends).toBe(1)
    expect(told.map(({ outcome }) => outcome)).not.toContain('accepted')
  })

  test('is given no more credit than can be held, and more as it is worked off', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    await peer.ask({})
    const sender = await peer.data(1)
    const room = sender.room
    expect(room).toBeGreaterThan(100)
    expect(room).toBeLessThanOrEqual(1_000)
    for (let sequence = 0; sequence < room; sequence++) {
      send(sender, cutBatch(sequence, 1))
      if (sequence % 4 === 3) await world.clock.pass(30)
    }
    await world.clock.pass(100)
    expect(sender.room).toBeGreaterThan(100)
    expect(world.log.appends).toBe(room)
  })
})

describe('a message is refused', () => {
  const damaged = (batch: CutBatch, change: (bytes: Buffer) => void): CutBatch => {
    const bytes = Buffer.from(batch.bytes)
    change(bytes)
    return { ...batch, bytes }
  }

  test.each<[string, CutBatch, Record<string, string | number>, string]>([
    ['of another gateway', cutBatch(0, 1), { gateway: 'gw-2' }, 'headrace:not-opened'],
    ['of another session', cutBatch(0, 1), { session: 2 }, 'headrace:not-opened'],
    ['of a source that was not opened', cutBatch(0, 1), { source: 'source-9' }, 'headrace:not-opened'],
    ['without properties that can be read', cutBatch(0, 1), { sequence: 'x' }, 'headrace:bad-batch'],
    ['of another producer', cutBatch(0, 1, { producerId: 4 }), {}, 'headrace:bad-batch'],
    ['of another epoch', cutBatch(0, 1, { epoch: 3 }), {}, 'headrace:bad-batch'],
    ['of another number than its properties say', cutBatch(1, 1), { sequence: 0 }, 'headrace:bad-batch'],
    ['of another count', cutBatch(0, 2), { count: 1 }, 'headrace:bad-batch'],
    ['that is no batch', { ...cutBatch(0, 1), bytes: Buffer.from('hello') }, {}, 'headrace:bad-batch'],
    ['that is cut off', damaged(cutBatch(0, 9), bytes => bytes.writeInt32BE(5_000, 8)), {}, 'headrace:bad-batch'],
  ])('%s', async (_what, batch, properties, condition) => {
    const world = await start()
    const peer = await Peer.connect(world)
    await peer.ask({})
    const told = send(await peer.data(1), batch, properties)
    await world.clock.pass(50)
    expect(told).toMatchObject({ outcome: 'rejected', error: { condition } })
    expect(world.log.appends).toBe(0)
  })

  test('after it came hurt three times; before that it is asked for again', async () => {
    const world = await start()
    const peer = await Peer.connect(world)
    await peer.ask({})
    const sender = await peer.data(1)
    const hurt = damaged(cutBatch(0, 1), bytes => bytes.writeUInt8(1, bytes.length - 1))
    const outcomes: (Outcome | undefined)[] = []
    for (let times = 0; times < 3; times++) {
      const told = send(sender, hurt)
      await world.clock.pass(50)
      outcomes.push(told.outcome)
    }
    expect(outcomes).toEqual(['modified', 'modified', 'rejected'])
    const told = send(sender, cutBatch(0, 1))
    await world.clock.pass(50)
    expect(told.outcome).toBe('accepted')
  })
})

test('an opening that waited until its gateway stopped listening is given back, and nobody’s answer is worked on', async () => {
  const world = await start()
  // The log answers so slowly that eight openings at a time are more than it can do.
  world.log.latencyMs = 1_500
  const peers: Peer[] = []
  for (let index = 0; index < 30; index++) peers.push(await Peer.connect(world))
  const asked = peers.map((peer, index) => peer.ask({ gateway: `gw-${index}` }))
  await Promise.all(asked)
  const given: (Outcome | undefined)[] = []
  await world.clock.pass(30_000)
  for (const peer of peers) given.push(peer.lastOutcome)
  expect(given.filter(outcome => outcome === 'released').length).toBeGreaterThan(5)
  expect(given.filter(outcome => outcome === 'accepted').length).toBeGreaterThan(7)
})

test('a gateway whose every batch is refused cannot fill the log of the core with that, in one session or in several', async () => {
  const lines: object[] = []
  const logger: Logger = { ...silentLogger, error: fields => void lines.push(fields), child: () => logger }
  const world = new World(3)
  await world.startIngress('core-1', { logger })
  const peer = await Peer.connect(world)
  for (let session = 1; session <= 3; session++) {
    await peer.ask({ session })
    const data = await peer.data(session)
    for (let number = 0; number < 50; number++)
      data.send({ body: Buffer.from('no batch'), properties: { gateway: 'gw-1', session, source: 'other' } }, () => {})
    await world.clock.pass(10)
  }
  expect(lines[0]).toMatchObject({ gateway: 'gw-1', session: 1, condition: 'headrace:not-opened' })
  expect(lines.length).toBeLessThan(40)
})
