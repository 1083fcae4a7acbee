import { createRequire } from 'node:module'
import fc from 'fast-check'
import { dial } from '../../../src/amqp/dial.ts'
import { checkFrame, checkMessage, VALUES_MAX } from '../../../src/amqp/encoded-values.ts'
import { FrameGuard } from '../../../src/amqp/frame-guard.ts'
import { MAX_FRAME_BYTES } from '../../../src/amqp/limits.ts'
import { listen } from '../../../src/amqp/listen.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { RawSender } from '../../amqp/raw-sender.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import {
  AMQP_HEADER,
  attach,
  begin,
  COSTLY,
  costlyOpen,
  frame,
  HostilePeer,
  open,
  SASL_HEADER,
  transfer,
} from '../harness/hostile-peer.ts'
import { target } from '../harness/target.ts'

const require = createRequire(import.meta.url)
const { Reader } = require('rhea/lib/types.js') as { Reader: new (bytes: Buffer) => { read(): unknown; remaining(): number } }

const MESSAGE = RawSender.encode(Buffer.from('{"version":1}'))
const deps = { clock: systemClock, log: silentLogger }

const FRAMES: Readonly<Record<string, Buffer>> = {
  header: AMQP_HEADER,
  sasl: SASL_HEADER,
  'sasl init': frame('sasl_init', { mechanism: 'ANONYMOUS' }, undefined, 0, 1),
  'sasl init of a name that every object has': frame('sasl_init', { mechanism: 'constructor' }, undefined, 0, 1),
  'sasl response': frame('sasl_response', { response: Buffer.from('x') }, undefined, 0, 1),
  open: open(),
  'open for tiny frames': open({ max_frame_size: 60 }),
  'open that wants to hear much': open({ idle_time_out: 1 }),
  begin: begin(),
  'begin elsewhere': begin(9),
  'begin of a session that nobody asked for': frame('begin', {
    remote_channel: 7,
    next_outgoing_id: 0,
    incoming_window: 1,
    outgoing_window: 1,
  }),
  attach: attach({ handle: 0, name: 'a' }),
  'attach once more': attach({ handle: 0, name: 'a' }),
  'attach a receiver': attach({ handle: 1, name: 'b', address: null, receives: true }),
  'attach nowhere': attach({ handle: 2, name: 'c', address: 'nowhere' }),
  transfer: transfer({ handle: 0, id: 0 }, MESSAGE),
  'transfer that goes on': transfer({ handle: 0, id: 0, more: true }, MESSAGE.subarray(0, 4)),
  'the rest of a transfer': transfer({ handle: 0 }, MESSAGE.subarray(4)),
  'transfer given up': transfer({ handle: 0, aborted: true }, Buffer.alloc(0)),
  'transfer to no link': transfer({ handle: 77, id: 0 }, MESSAGE),
  flow: frame('flow', {
    next_incoming_id: 0,
    incoming_window: 5,
    next_outgoing_id: 0,
    outgoing_window: 5,
    handle: 1,
    link_credit: 9,
  }),
  disposition: frame('disposition', { role: true, first: 0, last: 3, settled: true }),
  'disposition of all there can be': frame('disposition', { role: true, first: 0, last: 4_294_967_295, settled: true }),
  detach: frame('detach', { handle: 0, closed: true }),
  end: frame('end', {}),
  close: frame('close', {}),
  ...Object.fromEntries(Object.entries(COSTLY).map(([name, value]) => [name, costlyOpen(value)])),
}

const talk = fc
  .record({
    opened: fc.constantFrom([], ['header'], ['header', 'open', 'begin', 'attach'], ['sasl', 'sasl init']),
    parts: fc.array(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(...Object.keys(FRAMES)).map(name => FRAMES[name] as Buffer) },
        { weight: 3, arbitrary: mutated(Object.values(FRAMES).filter(each => each.length < 300)) },
        { weight: 1, arbitrary: anyBytes(40) },
      ),
      { maxLength: 12 },
    ),
    lengths: cuts,
    end: fc.constantFrom('fin' as const, 'reset' as const),
  })
  .map(({ opened, parts, lengths, end }) => ({
    bytes: Buffer.concat([...opened.map(name => FRAMES[name] as Buffer), ...parts]),
    lengths,
    end,
  }))

let core: { port: number; close(): Promise<void>; received: string[] } | undefined

async function openCore(): Promise<void> {
  const received: string[] = []
  const listener = await listen(
    { url: 'amqp://127.0.0.1:0', containerId: 'core', openLimitMs: 2_000, ...deps },
    {
      onConnection: () => {},
      onSenderAttach: ({ address }) =>
        address === 'headrace/open'
          ? {
              onDelivery: delivery => {
                received.push(delivery.message.body.toString())
                delivery.accept()
              },
              onReceiver: receiver => receiver.grant(4),
            }
          : { refuse: { condition: 'amqp:not-found', description: 'no such address' } },
      onReceiverAttach: () => ({ onSender: () => {} }),
    },
  )
  core = { port: Number(new URL(listener.url).port), close: () => listener.close(), received }
}

/** An honest peer gets through. */
async function assertServed(): Promise<void> {
  if (!core) throw new Error('no core')
  const connection = await dial({ url: `amqp://127.0.0.1:${core.port}`, containerId: 'honest', openLimitMs: 30_000, ...deps })
  const sender = await connection.openSender({ address: 'headrace/open', timeoutMs: 30_000 })
  if (sender.room === 0) await new Promise<void>(resolve => sender.onRoom(resolve))
  const outcome = await new Promise(resolve => sender.send({ body: Buffer.from('honest'), properties: {} }, resolve))
  connection.destroy()
  if (outcome !== 'accepted') throw new Error(`an honest message was ${outcome}`)
}

const HONEST_EVERY = 20
let talks = 0

export const targets = [
  target({
    name: 'frame guard: pieces make no difference, and nothing passes that is not whole',
    input: fc.record({ parts: fc.array(mutated(Object.values(FRAMES)), { maxLength: 6 }), lengths: cuts }),
    run({ parts, lengths }) {
      const bytes = Buffer.concat([AMQP_HEADER, ...parts])
      const feed = (pieces: readonly Buffer[]) => {
        const guard = new FrameGuard(MAX_FRAME_BYTES)
        const whole: Buffer[] = []
        for (const piece of pieces) {
          const passed = guard.take(piece)
          if ('refused' in passed) return { refused: passed.refused, whole: undefined }
          whole.push(...passed.whole)
          if (guard.heldBytes > MAX_FRAME_BYTES) throw new Error(`${guard.heldBytes} bytes are held`)
        }
        return { refused: undefined, whole: Buffer.concat(whole).toString('hex') }
      }
      const cut = feed(inPieces(bytes, lengths))
      const once = feed([bytes])
      if (JSON.stringify(cut) !== JSON.stringify(once))
        throw new Error(`${JSON.stringify(cut)} in pieces, ${JSON.stringify(once)} at once`)
      if (once.whole !== undefined && !bytes.toString('hex').startsWith(once.whole)) throw new Error('other bytes came out')
    },
  }),
  target({
    name: 'values: what passes the walk, rhea reads within its bounds',
    input: fc.oneof(mutated([...Object.values(FRAMES), MESSAGE]), anyBytes(200)),
    runs: 3_000,
    run(bytes) {
      const isFrame = bytes.length >= 8 && bytes.readUInt32BE(0) === bytes.length
      try {
        if (isFrame) checkFrame(bytes)
        else checkMessage(bytes)
      } catch (error) {
        if (error instanceof HeadraceError && error.code === 'protocol_violation') return
        throw error
      }
      const reader = new Reader(isFrame ? bytes.subarray((bytes[4] ?? 0) * 4) : bytes)
      let values = 0
      try {
        for (; reader.remaining() > 0 && !(isFrame && values > 0); values++) reader.read()
      } catch (error) {
        // What it does not know it refuses: that ends a connection, and nothing else.
        if (!(error instanceof Error)) throw error
      }
      if (reader.remaining() < 0 || values > VALUES_MAX) throw new Error(`${values} values, ${reader.remaining()} bytes left`)
    },
  }),
  target({
    name: 'listener: whatever a peer says, the next one is served',
    input: talk,
    runs: 300,
    open: openCore,
    close: async () => core?.close(),
    async run({ bytes, lengths, end }) {
      const peer = new HostilePeer(core?.port ?? 0)
      await peer.write(...inPieces(bytes, lengths))
      if (end === 'fin') peer.halfClose()
      if (++talks % HONEST_EVERY === 0) await assertServed()
      peer.end()
    },
  }),
]
