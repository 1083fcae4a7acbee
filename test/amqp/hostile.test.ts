import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import rhea from 'rhea'
import { describe, expect, test } from 'vitest'
import { UNFINISHED_PER_PEER_MAX } from '../../src/amqp/limits.ts'
import { openRequestSchema } from '../../src/amqp/messages.ts'
import { readJson } from '../../src/amqp/read-json.ts'
import { UnfinishedBytes } from '../../src/amqp/unfinished.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import {
  AMQP_HEADER,
  attach,
  begin,
  COSTLY,
  costlyOpen,
  flow,
  frame,
  HostilePeer,
  open,
  rawFrame,
  SASL_HEADER,
  transfer,
} from '../fuzz/harness/hostile-peer.ts'
import { until } from '../support/until.ts'
import { closers, core, gateway, message } from './ends.ts'
import { RawSender } from './raw-sender.ts'

/*
  What one peer, without a name, could do to a core and everybody on it. Each of these was found by fuzzing, on the real listener.
*/

const OPENED = [AMQP_HEADER, open(), begin()]
const SIGN_OF_LIFE = rawFrame(Buffer.alloc(0))
const MESSAGE = RawSender.encode(Buffer.from('x'))

async function peerOf(end: { url: string }): Promise<HostilePeer> {
  const peer = new HostilePeer(Number(new URL(end.url).port))
  closers.push(() => peer.end())
  return peer
}

describe('a peer is cut off, and the next one served,', () => {
  const attacks: Readonly<Record<string, readonly Buffer[]>> = {
    ...Object.fromEntries(
      Object.entries(COSTLY).map(([name, value]) => [`that opens with ${name}`, [AMQP_HEADER, costlyOpen(value)]]),
    ),
    'that settles four thousand million deliveries at once': [
      ...OPENED,
      frame('disposition', { role: true, first: 0, last: 4_294_967_295, settled: true }),
    ],
    'that asks for frames of sixty bytes, into which no message can ever be cut': [AMQP_HEADER, open({ max_frame_size: 60 })],
    'that wants to hear something every millisecond': [AMQP_HEADER, open({ idle_time_out: 1 })],
    'that sends without credit': [...OPENED, attach({ handle: 0, name: 'a' }), ...without(1_001)],
    'that sends a message without end': [
      ...OPENED,
      attach({ handle: 0, name: 'a' }),
      transfer({ handle: 0, id: 0, more: true }, MESSAGE),
      ...Array<Buffer>(100).fill(transfer({ handle: 0, more: true }, Buffer.alloc(60_000))),
    ],
    'that sends a message without end a byte at a time': [
      ...OPENED,
      attach({ handle: 0, name: 'a' }),
      transfer({ handle: 0, id: 0, more: true }, MESSAGE),
      ...Array<Buffer>(20_000).fill(transfer({ handle: 0, more: true }, Buffer.alloc(1))),
    ],
    'that begins session after session': [AMQP_HEADER, open(), ...Array.from({ length: 70 }, (_, channel) => begin(channel))],
    'that attaches link after link': [
      ...OPENED,
      ...Array.from({ length: 100 }, (_, handle) => attach({ handle, name: `link ${handle}` })),
    ],
    'that attaches link after link where it may not': [
      ...OPENED,
      ...Array.from({ length: 40 }, (_, handle) => attach({ handle, name: `link ${handle}`, address: 'forbidden' })),
    ],
    'that attaches a link before it is open': [AMQP_HEADER, begin(), attach({ handle: 0, name: 'a' })],
    'that sends something else than sections as a message': [
      ...OPENED,
      attach({ handle: 0, name: 'a' }),
      transfer({ handle: 0, id: 0 }, Buffer.from([0x40])),
    ],
    'that begins with a header once more, which read as the size of a frame is a gigabyte to be waited for': [
      ...OPENED,
      AMQP_HEADER,
    ],
    'that begins with SASL once it is open': [...OPENED, SASL_HEADER],
    'that gives itself credit': [
      ...OPENED,
      attach({ handle: 0, name: 'a' }),
      flow({ handle: 0, delivery_count: 0, link_credit: 4_000_000_000, drain: true }),
    ],
  }

  test.each(Object.entries(attacks))('%s', async (_what, parts) => {
    const end = await core()
    const peer = await peerOf(end)
    await peer.write(...parts)
    await until('it is cut off, though it gives signs of life', async () => {
      await peer.write(SIGN_OF_LIFE)
      return peer.closed
    })
    const connection = await gateway(end.url)
    const sender = await connection.openSender({ address: 'in', timeoutMs: 5_000 })
    await until('credit', () => sender.room > 0)
    const before = end.deliveries.length
    sender.send(message(1), () => {})
    await until('an honest message', () => end.deliveries.length > before)
  })
})

test('a peer that settles a message which was not sent yet is cut off: each of its frames had been a line on standard error', async () => {
  const end = await core()
  const peer = await peerOf(end)
  const closed = { next_outgoing_id: 0, incoming_window: 0, outgoing_window: 100 }
  await peer.write(AMQP_HEADER, open(), frame('begin', closed), attach({ handle: 0, name: 'a', address: null, receives: true }))
  await peer.write(flow({ incoming_window: 0, handle: 0, link_credit: 10 }))
  const sender = await until('attached', () => end.replies[0])
  await until('credit, given before the attach was seen', () => sender.room > 0)
  sender.send(message(1), () => {})
  await new Promise(resolve => setImmediate(resolve))
  await peer.write(frame('disposition', { role: true, first: 0, last: 0, settled: true }), flow({ incoming_window: 0 }))
  await until('it is cut off, though it gives signs of life', async () => {
    await peer.write(SIGN_OF_LIFE)
    return peer.closed
  })
})

function without(messages: number): Buffer[] {
  return Array.from({ length: messages }, (_, id) => transfer({ handle: 0, id }, MESSAGE))
}

test('a peer that may be silent for ever is not told every millisecond that this end is alive', async () => {
  const warnings: string[] = []
  const note = (warning: Error) => void warnings.push(warning.name)
  process.on('warning', note)
  closers.push(() => void process.off('warning', note))
  const end = await core()
  const peer = await peerOf(end)
  await peer.write(AMQP_HEADER, open({ idle_time_out: 4_294_967_295 }), begin(), attach({ handle: 0, name: 'a' }))
  await until('attached', () => end.receivers.length === 1)
  await peer.write(transfer({ handle: 0, id: 0 }, MESSAGE))
  await until('it is served', () => end.deliveries.length === 1)
  expect(warnings).not.toContain('TimeoutOverflowWarning')
})

test('a peer whose every message is rejected cannot fill the log with that', async () => {
  const lines: string[] = []
  const end = await core({ log: { ...silentLogger, warn: (_fields, message) => void lines.push(message) } })
  const peer = await peerOf(end)
  const nothing = rhea.message.encode({ body: 'no data section' })
  await peer.write(...OPENED, attach({ handle: 0, name: 'a' }))
  await peer.write(
    ...Array.from({ length: 500 }, (_, id) => transfer({ handle: 0, id }, nothing)),
    transfer({ handle: 0, id: 500 }, MESSAGE),
  )
  await until('all were read', () => end.deliveries.length === 1)
  expect(lines).toContain('a message without exactly one data section was rejected')
  expect(lines.length).toBeLessThan(100)
})

test('of links that were attached and detached nothing is kept', async () => {
  const end = await core()
  const peer = await peerOf(end)
  const first = new Set<WeakRef<object>>()
  await peer.write(...OPENED)
  for (let handle = 0; handle < 20; handle++) {
    await peer.write(attach({ handle, name: `link ${handle}` }), frame('detach', { handle, closed: true }))
    const receiver = await until('attached', () => end.receivers.pop())
    await receiver.closed
    first.add(new WeakRef(receiver))
  }
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await until(
    'they are gone',
    () => {
      collect()
      // The latest may still be on somebody's stack.
      return [...first].filter(link => link.deref()).length <= 2
    },
    5_000,
  )
})

test('what was begun on a link that is detached counts no more: a router, whose gateways come and go, was cut off with all of them in the end', async () => {
  const end = await core()
  const peer = await peerOf(end)
  const half = Buffer.alloc(100_000)
  const links = Math.ceil((2 * UNFINISHED_PER_PEER_MAX) / half.length)
  await peer.write(...OPENED)
  for (let handle = 0; handle < links; handle++) {
    await peer.write(attach({ handle, name: `link ${handle}` }))
    const receiver = await until('attached', () => end.receivers.pop())
    await peer.write(transfer({ handle, id: handle, more: true }, half), frame('detach', { handle, closed: true }))
    await receiver.closed
  }
  await peer.write(attach({ handle: links, name: 'last' }), transfer({ handle: links, id: links }, MESSAGE))
  await until('the last one arrives', () => end.deliveries.length === 1)
  expect(peer.closed).toBe(false)
})

test('a frame that comes a byte at a time is read as one that comes at once', async () => {
  const end = await core()
  const peer = await peerOf(end)
  await peer.write(...OPENED, attach({ handle: 0, name: 'a' }))
  await until('attached', () => end.receivers.length === 1)
  for (const byte of transfer({ handle: 0, id: 0 }, MESSAGE)) await peer.write(Buffer.from([byte]))
  await until('it arrives', () => end.deliveries.length === 1)
  expect(end.deliveries[0]?.message.body.toString()).toBe('x')
})

describe('what all peers have begun and not ended', () => {
  test('is bounded: who has ended nothing for longest is cut off, who goes on is not', () => {
    const cut: string[] = []
    const holder = (name: string) => ({ cutOff: () => void cut.push(name) })
    const [stale, busy, late] = [holder('stale'), holder('busy'), holder('late')]
    const all = new UnfinishedBytes(100)
    all.set(busy, 40, 'none')
    all.set(stale, 40, 'none')
    all.set(busy, 30, 'progress')
    all.set(late, 40, 'none')
    expect(cut).toEqual(['stale'])
    expect(all.totalBytes).toBe(70)
    all.set(late, 0, 'progress')
    all.forget(busy)
    expect(all.totalBytes).toBe(0)
  })
})

test('of an opening with ten thousand wrong sources a few are told', () => {
  const sources = Array.from({ length: 10_000 }, () => ({ source: 'NO NAME', topic: '' }))
  const body = Buffer.from(JSON.stringify({ version: 1, gateway: 'g', instance: '12345678', session: '1', sources }))
  const message = readJson(openRequestSchema, body)
  const { wrong } = message as { wrong: string }
  expect(wrong).toMatch(/and \d+ more$/)
  expect(wrong.length).toBeLessThan(2_000)
})
