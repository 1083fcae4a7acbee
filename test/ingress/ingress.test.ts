import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/amqp/amqp.ts'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { World } from '../link/world.ts'
import { cutBatch } from '../support/batches.ts'
import { Peer, send, soon, start } from './peer.ts'

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
