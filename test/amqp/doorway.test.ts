import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Crowd, placeOf } from '../../src/amqp/crowd.ts'
import { dial } from '../../src/amqp/dial.ts'
import { DOORWAY, Doorway, type DoorwayLimits } from '../../src/amqp/doorway.ts'
import { listen } from '../../src/amqp/listen.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SparingLog } from '../../src/runtime/sparing-log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { closers, deps } from './ends.ts'

const FLOODED = '198.51.100.7'
const HONEST = '203.0.113.9'

/** What a doorway needs of a socket. */
class Caller extends EventEmitter {
  readonly remoteAddress: string
  readonly remotePort: number
  destroyed = false

  constructor(remoteAddress: string, remotePort: number) {
    super()
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

function world(limits: Partial<DoorwayLimits> = {}) {
  const clock = new SimulatedClock()
  const begun: Caller[] = []
  const begin = (socket: Socket) => void begun.push(socket as unknown as Caller)
  const doorway = new Doorway({ ...DOORWAY, ...limits }, begin, clock, new SparingLog(silentLogger, clock))
  let port = 0
  const call = (address: string) => {
    const caller = new Caller(address, ++port)
    doorway.arrive(caller as unknown as Socket)
    return caller
  }
  const calls = (address: string, count: number) => Array.from({ length: count }, () => call(address))
  const opened = (caller: Caller, who: 'known' | 'others' = 'others') => doorway.opened(caller, who)
  return { clock, begun, call, calls, opened }
}

describe('a doorway', () => {
  test('begins no more in a second than it may', async () => {
    const { clock, begun, calls, opened } = world({ begins: { perSecond: 10, burst: 20 }, begunMax: 1_000 })
    calls(FLOODED, 200)
    expect(begun.length).toBe(20)
    for (const caller of begun) opened(caller)
    await clock.pass(3_000)
    expect(begun.length).toBe(50)
  })

  test('gives one of another address the next turn, however many wait from one', async () => {
    const { clock, begun, call, calls } = world({ begins: { perSecond: 10, burst: 10 } })
    calls(FLOODED, 1_000)
    const honest = call(HONEST)
    await clock.pass(250)
    expect(begun).toContain(honest)
    // The control: from where the others come it would still wait.
    const among = call(FLOODED)
    await clock.pass(3_000)
    expect(begun).not.toContain(among)
  })

  test('gives every other turn to addresses from which somebody was known', async () => {
    const { clock, begun, call, opened } = world({ begins: { perSecond: 10, burst: 10 } })
    opened(call(HONEST), 'known')
    for (let address = 0; address < 1_000; address++) call(`198.18.${address >> 8}.${address & 255}`)
    const [again, stranger] = [call(HONEST), call('203.0.113.10')]
    await clock.pass(250)
    expect(begun).toContain(again)
    expect(begun).not.toContain(stranger)
  })

  test('takes the place of one that does not get on, where another waits', async () => {
    const { clock, begun, call, calls } = world({ begunMax: 10, begins: { perSecond: 1_000, burst: 1_000 } })
    const [first] = calls(FLOODED, 10)
    const honest = call(HONEST)
    expect(begun).toContain(honest)
    expect(first?.destroyed).toBe(true)
    const among = call(FLOODED)
    expect(begun).not.toContain(among)
    await clock.pass(DOORWAY.crowdedAfterMs)
    expect(begun).toContain(among)
  })

  test('lets nobody wait, or begin and not open, for longer than the limits', async () => {
    const { clock, begun, calls } = world({ begunMax: 10, begins: { perSecond: 1, burst: 10 }, crowdedAfterMs: 60_000 })
    const callers = calls(FLOODED, 100)
    await clock.pass(DOORWAY.waitMs)
    expect(callers.filter(({ destroyed }) => destroyed).length).toBe(90)
    expect(begun.every(({ destroyed }) => !destroyed)).toBe(true)
    await clock.pass(DOORWAY.openLimitMs)
    expect(callers.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('sends the newcomer away where most of those that wait come from its address, else one of those', () => {
    const { calls, call } = world({ waitingMax: 50, begins: { perSecond: 1, burst: 1 } })
    const [, second] = calls(FLOODED, 51)
    expect(call(FLOODED).destroyed).toBe(true)
    expect(second?.destroyed).toBe(false)
    expect(call(HONEST).destroyed).toBe(false)
    expect(second?.destroyed).toBe(true)
  })

  test('sends away one of a known address that takes most places, though a stranger waits too: all newcomers went', () => {
    const { call, calls, opened } = world({ waitingMax: 50, begins: { perSecond: 1, burst: 1 } })
    opened(call(FLOODED), 'known')
    const stranger = call('203.0.113.10')
    calls(FLOODED, 60)
    const honest = call(HONEST)
    expect([stranger.destroyed, honest.destroyed]).toEqual([false, false])
  })

  test('but sends none of a known address away for strangers that are many by themselves', () => {
    const { call, calls, opened } = world({ waitingMax: 50, begins: { perSecond: 1, burst: 1 } })
    opened(call(HONEST), 'known')
    const known = calls(HONEST, 3)
    for (let address = 0; address < 100; address++) call(`198.18.0.${address}`)
    expect(known.some(({ destroyed }) => destroyed)).toBe(false)
  })

  test('forgets who has hung up', async () => {
    const { clock, begun, calls, call } = world({ begunMax: 5, begins: { perSecond: 1_000, burst: 1_000 } })
    const callers = calls(FLOODED, 100)
    for (const caller of callers) caller.destroy()
    const next = call(FLOODED)
    await clock.pass(10)
    expect(begun).toContain(next)
  })
})

describe('a place', () => {
  test.each([
    ['198.51.100.7', '198.51.100.7'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('of %s is %s', (address, place) => {
    expect(placeOf(address)).toBe(place)
  })

  test('has its members counted once', () => {
    const crowd = new Crowd<string>()
    crowd.add('a', 'one')
    crowd.add('a', 'one')
    crowd.add('b', 'two')
    crowd.delete('a', 'nobody')
    expect([crowd.size, crowd.of('a'), crowd.of('c')]).toEqual([2, 1, 0])
    crowd.delete('a', 'one')
    expect(crowd.mostCrowded()).toMatchObject({ place: 'b', member: 'two', count: 1 })
  })
})

test('what strangers cause is not written line by line', async () => {
  const clock = new SimulatedClock()
  const lines: object[] = []
  const log: Logger = { ...silentLogger, warn: fields => void lines.push(fields) }
  const sparing = new SparingLog(log, clock)
  for (let line = 0; line < 1_000; line++) sparing.warn({}, 'x')
  expect(lines.length).toBe(30)
  await clock.pass(1_000)
  sparing.warn({}, 'x')
  expect(lines.at(-1)).toEqual({ left_out: 970 })
})

test('peers that connect and say nothing keep nobody out, and do not stay', async () => {
  const url = `amqp://127.0.0.1:${await freePort()}`
  const listener = await listen(
    { url, containerId: 'core', openLimitMs: 300, doorway: { begunMax: 4, crowdedAfterMs: 50 }, ...deps },
    {
      onConnection: () => {},
      onSenderAttach: () => ({ refuse: { condition: 'x', description: '' } }),
      onReceiverAttach: () => ({ refuse: { condition: 'x', description: '' } }),
    },
  )
  closers.push(() => listener.close())
  let gone = 0
  const silent = Array.from({ length: 40 }, () => connect(Number(new URL(url).port), '127.0.0.1'))
  for (const socket of silent) {
    socket.on('error', () => {}).on('close', () => gone++)
    socket.resume()
    closers.push(() => void socket.destroy())
  }
  const connection = await dial({ url, containerId: 'gateway', ...deps })
  closers.push(() => connection.destroy())
  await until('they are gone', () => gone === silent.length)
  expect(await Promise.race([connection.closed, Promise.resolve('open')])).toBe('open')
})

test('a connection more than may be open is closed, and the log says so: a gateway was kept out without a word', async () => {
  const lines: string[] = []
  const log: Logger = { ...silentLogger, warn: (_fields, message) => void lines.push(message) }
  const listener = await listen(
    { url: `amqp://127.0.0.1:${await freePort()}`, containerId: 'core', connectionsMax: 1, ...deps, log },
    {
      onConnection: () => {},
      onSenderAttach: () => ({ refuse: { condition: 'x', description: '' } }),
      onReceiverAttach: () => ({ refuse: { condition: 'x', description: '' } }),
    },
  )
  closers.push(() => listener.close())
  const first = await dial({ url: listener.url, containerId: 'first', ...deps })
  closers.push(() => first.destroy())
  expect(lines).toEqual([])
  await expect(dial({ url: listener.url, containerId: 'second', ...deps })).rejects.toThrow()
  expect(lines).toEqual([expect.stringContaining('connections_max')])
  first.destroy()
  await first.closed
  const third = await until('there is room again', () =>
    dial({ url: listener.url, containerId: 'third', ...deps }).catch(() => undefined),
  )
  closers.push(() => third.destroy())
})
