import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, PeerIdentity } from '../../src/amqp/amqp.ts'
import { encodeOpenReply, encodeOpenRequest, type OpenReply, PROTOCOL_VERSION } from '../../src/amqp/messages.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { World } from '../link/world.ts'
import { cutBatch } from '../support/batches.ts'
import { Peer, send, start } from './peer.ts'

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

  test('in the name of another is in the log of the core, with who tried; the log is not filled by it', async () => {
    const lines: object[] = []
    const logger: Logger = { ...silentLogger, warn: fields => void lines.push(fields), child: () => logger }
    const world = new World(1)
    await world.startIngress('core-1', { logger, mayWrite: identityRule('required') })
    const peer = await Peer.connect(world, certificate('gw-2'))
    await peer.ask({})
    await expect(peer.data(1)).rejects.toThrow('may not write as gw-1')
    expect(lines).toMatchObject([
      { gateway: 'gw-1', by: 'gw-2' },
      { gateway: 'gw-1', by: 'gw-2' },
    ])
    for (let tries = 0; tries < 100; tries++) await peer.ask({})
    expect(lines.length).toBeLessThan(60)
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
    const lastBatches = world.log.lastBatches.bind(world.log)
    world.log.lastBatches = (places, look) => {
      for (const place of places) if (world.log.bounds(place).next === 1) world.log.intrude(place, cutBatch(1, 4).bytes)
      return lastBatches(places, look)
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
