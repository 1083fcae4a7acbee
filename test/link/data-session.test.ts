import { describe, expect, test } from 'vitest'
import type { Message, Outcome, PeerError, Sender } from '../../src/amqp/amqp.ts'
import { DataSession } from '../../src/link/data-session.ts'
import { Flight } from '../../src/link/flight.ts'
import { Lane } from '../../src/link/lane.ts'
import { LINK_LIMITS, type LinkLimits } from '../../src/link/limits.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

/** A sender whose room and outcomes are the test's. */
class ScriptedSender implements Sender {
  readonly address = 'headrace/in/gw-1/1'
  readonly sent: { message: Message; settle: (outcome: Outcome, error?: PeerError) => void }[] = []
  readonly closed = new Promise<undefined>(() => {})
  room = 0
  #roomCalls: (() => void)[] = []

  send(message: Message, settle: (outcome: Outcome, error?: PeerError) => void): void {
    this.room -= 1
    this.sent.push({ message, settle })
  }

  readonly letGone: Buffer[] = []
  letGo(body: Buffer): void {
    this.letGone.push(body)
  }

  onRoom(call: () => void): void {
    this.#roomCalls.push(call)
  }

  give(room: number): void {
    this.room += room
    for (const call of this.#roomCalls) call()
  }

  close(): void {
    this.room = 0
  }

  order(): string[] {
    return this.sent.map(({ message }) => `${message.properties['source']}@${message.properties['sequence']}`)
  }
}

async function bench(sources: readonly string[], records = 100, limits: Partial<LinkLimits> = {}) {
  const clock = new SimulatedClock()
  const buffer = new MemoryBuffer('gw-1', new MemoryDisk('instance-1'))
  buffer.attachLink(() => {})
  const sender = new ScriptedSender()
  const onProgress = () => {}
  const onFailure = () => {}
  const data = new DataSession({
    gateway: 'gw-1',
    session: 1,
    sender,
    clock,
    onProgress,
    onFailure,
    limits: { ...LINK_LIMITS, ...limits },
  })
  const lanes = sources.map((source, partition) => {
    buffer.addSource(source, 'topic-1')
    buffer.give(source, records)
    const outlet = buffer.outlet(source)
    if (!outlet) throw new Error('no outlet')
    const deps = { clock, random: () => 0.5, log: silentLogger, alarms: new Alarms(clock), flight: new Flight() }
    return { partition, lane: new Lane({ outlet, ...deps }) }
  })
  for (const { lane, partition } of lanes) {
    const { source } = lane
    const entry = {
      source,
      topic: 'topic-1',
      partition,
      producerId: 1,
      epoch: 0,
      epochStart: 0,
      end: 0,
      last: null,
      topicId: 't',
    }
    await lane.open({ entry, log: 'log-1', resumed: false })
    data.wake(lane)
  }
  return { clock, buffer, sender, data, lanes: lanes.map(({ lane }) => lane) }
}

describe('a session shares the connection out', () => {
  test('one batch of each source in turn, and the first of an epoch alone', async () => {
    const { sender } = await bench(['a', 'b', 'c'])
    sender.give(100)
    expect(sender.order()).toEqual(['a@0', 'b@0', 'c@0'])
    for (const { settle } of sender.sent.splice(0)) settle('accepted')
    expect(sender.order()).toEqual([
      'a@10',
      'a@20',
      'a@30',
      'a@40',
      'a@50',
      'b@10',
      'b@20',
      'b@30',
      'b@40',
      'b@50',
      'c@10',
      'c@20',
      'c@30',
      'c@40',
      'c@50',
    ])
  })

  test('in turn where room is short, so that a busy source does not take it all', async () => {
    const { sender } = await bench(['a', 'b', 'c'])
    sender.give(3)
    for (const { settle } of sender.sent.splice(0)) settle('accepted')
    for (let step = 0; step < 6; step++) sender.give(1)
    expect(sender.order()).toEqual(['a@10', 'b@10', 'c@10', 'a@20', 'b@20', 'c@20'])
  })

  test('and what is live goes before the backlogs of others', async () => {
    const { sender, buffer, data, lanes } = await bench(['a', 'b', 'live'], 0)
    for (const source of ['a', 'b']) buffer.give(source, 5_000)
    const live = lanes[2]
    for (const lane of lanes) data.wake(lane)
    sender.give(2)
    for (const { settle } of sender.sent.splice(0)) settle('accepted')
    sender.give(1)
    buffer.give('live', 5)
    if (live) data.wake(live)
    sender.give(2)
    expect(sender.order().map(sent => sent.split('@')[0])).toEqual(['a', 'live', 'b'])
  })

  test('and what is up to date keeps one batch on its way while the core is late, which grows instead', async () => {
    const { clock, buffer, data, lanes, sender } = await bench(['a'], 1)
    const [lane] = lanes
    const settleAll = async (tookMs: number) => {
      await clock.pass(tookMs)
      for (const { settle } of sender.sent.splice(0)) settle('accepted')
    }
    const giveThree = () => {
      for (let times = 0; times < 3; times++) {
        buffer.give('a', 1)
        if (lane) data.wake(lane)
      }
    }
    const counts = () => sender.sent.map(({ message }) => message.properties['count'])
    sender.give(100)
    await settleAll(5)
    giveThree()
    expect(counts()).toEqual([1, 1, 1])
    await settleAll(100)
    giveThree()
    expect(counts()).toEqual([1])
    await settleAll(5)
    expect(counts()).toEqual([2])
    giveThree()
    expect(counts()).toEqual([2, 1, 1, 1])
  })

  test('and never sends without room', async () => {
    const { sender, data } = await bench(['a'])
    expect(sender.order()).toEqual([])
    expect(data.starved).toBe(true)
    sender.give(1)
    expect(data.starved).toBe(false)
    expect(data.batchesInFlight).toBe(1)
  })

  test('within a bound of bytes', async () => {
    const { sender, buffer, lanes, data } = await bench(['a'])
    for (const lane of lanes) {
      const outlet = buffer.outlet(lane.source)
      const take = outlet?.take.bind(outlet)
      if (outlet && take) {
        outlet.take = () => {
          const batch = take()
          return batch && { ...batch, bytes: Buffer.alloc(LINK_LIMITS.windowBytesMax / 2) }
        }
      }
    }
    sender.give(100)
    sender.sent.splice(0)[0]?.settle('accepted')
    expect(data.batchesInFlight).toBe(2)
  })
})

describe('batches that wait at the other end for something of their own', () => {
  const WINDOW_BYTES = 300
  const bytesOf = (sender: ScriptedSender) => sender.sent.reduce((sum, { message }) => sum + (message.body as Buffer).length, 0)

  /** What is not of a stuck source is taken, for a minute. */
  async function minute({ clock, sender }: Awaited<ReturnType<typeof bench>>): Promise<void> {
    const isStuck = ({ message }: ScriptedSender['sent'][number]) => `${message.properties['source']}`.startsWith('stuck')
    for (let second = 0; second < 60; second++) {
      await clock.pass(1_000)
      for (let taken = sender.sent.find(each => !isStuck(each)); taken; taken = sender.sent.find(each => !isStuck(each))) {
        sender.sent.splice(sender.sent.indexOf(taken), 1)
        taken.settle('accepted')
      }
    }
  }

  test('leave the way to the others: with as many bytes as it may have, one source held up all of its gateway', async () => {
    const made = await bench(['stuck', 'other'], 0, { windowBytesMin: WINDOW_BYTES })
    const { clock, sender, buffer, data, lanes } = made
    const [stuck, other] = lanes as [Lane, Lane]
    sender.give(1_000)
    buffer.give('stuck', 100)
    data.wake(stuck)
    // A slow line, for which the smallest window is enough.
    await clock.pass(500)
    sender.sent.splice(0)[0]?.settle('accepted')
    expect(bytesOf(sender)).toBeGreaterThanOrEqual(WINDOW_BYTES)
    buffer.give('other', 100)
    data.wake(other)
    await minute(made)
    expect(other.isDrained).toBe(true)
    expect(sender.order().every(each => each.startsWith('stuck@'))).toBe(true)
  })

  test('take up memory all the same: no more is sent than that allows', async () => {
    const stuck = Array.from({ length: 20 }, (_, index) => `stuck-${index}`)
    const made = await bench([...stuck, 'other'], 100, { windowBytesMin: WINDOW_BYTES, windowBytesMax: 2 * WINDOW_BYTES })
    made.sender.give(1_000)
    await made.clock.pass(500)
    await minute(made)
    expect(bytesOf(made.sender)).toBeGreaterThan(WINDOW_BYTES)
    expect(bytesOf(made.sender)).toBeLessThan(3 * WINDOW_BYTES)
  })
})

describe('what comes back', () => {
  test('is sent again after a while, in order', async () => {
    const { clock, sender } = await bench(['a'])
    sender.give(100)
    sender.sent.splice(0)[0]?.settle('accepted')
    const first = sender.sent.splice(0)
    first[0]?.settle('released')
    for (const { settle } of first.slice(1)) settle('modified')
    expect(sender.order()).toEqual([])
    await clock.pass(1_000)
    expect(sender.order()).toEqual(['a@10', 'a@20', 'a@30', 'a@40', 'a@50'])
  })

  test('rejected freezes its source, on disk, with the reason', async () => {
    const { clock, sender, lanes, buffer } = await bench(['a', 'b'])
    sender.give(100)
    sender.sent[0]?.settle('rejected', { condition: 'headrace:freeze', description: 'because' })
    await clock.pass(1)
    expect(lanes.map(({ state }) => state)).toEqual(['frozen', 'open'])
    expect(buffer.outlet('a')?.frozen).toMatchObject({ code: 'headrace:freeze', message: 'because' })
  })

  test('lets go of a batch once nothing can make it go again', async () => {
    const { sender, data, lanes, clock } = await bench(['a'])
    sender.give(100)
    sender.sent.splice(0)[0]?.settle('accepted')
    expect(sender.letGone.length).toBe(1)
    const [first, second, third] = sender.sent.splice(0)
    second?.settle('accepted')
    // One before it is not settled: it would be sent again with that, by another session.
    expect(sender.letGone.length).toBe(1)
    first?.settle('accepted')
    third?.settle('released')
    await clock.pass(1)
    expect(sender.letGone).toEqual([expect.anything(), first?.message.body])
    data.end()
    expect(lanes[0]?.inFlight).toBeGreaterThan(0)
    expect(sender.letGone.length).toBe(2)
  })

  test('is not listened to once the session is over', async () => {
    const { sender, data, lanes, buffer } = await bench(['a'])
    sender.give(100)
    data.end()
    sender.sent[0]?.settle('accepted')
    expect(buffer.outlet('a')?.settled).toBe(0)
    sender.sent[0]?.settle('rejected', { condition: 'x', description: 'y' })
    expect(lanes[0]?.state).toBe('open')
  })

  test('is waited for while it drains, and nothing more is sent', async () => {
    const { sender, data } = await bench(['a'])
    sender.give(100)
    let drained = false
    void data.drain().then(() => {
      drained = true
    })
    sender.sent.splice(0)[0]?.settle('accepted')
    await Promise.resolve()
    expect(sender.order()).toEqual([])
    expect(drained).toBe(true)
  })
})
