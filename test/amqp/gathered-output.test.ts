import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import rhea from 'rhea'
import { expect, test } from 'vitest'
import { Gathered } from '../../src/amqp/gathered.ts'
import { gatherOutput } from '../../src/amqp/gathered-output.ts'

const frames = createRequire(import.meta.url)('rhea/lib/frames.js') as {
  transfer(fields: object): object
  close(fields: object): { error: unknown }
}

interface Inside {
  socket: unknown
  socket_ready: boolean
  local_channel_map: Record<number, { _process(): void }>
  output(): void
  _process(): void
  _write_frame(channel: number, frame: object, payload: unknown): void
}

/** A connection of rhea whose one session has frames with these payloads to send, and what its socket is handed. */
function connectionWith(payloads: readonly unknown[], mend: (connection: never) => void) {
  const connection = rhea.create_container({ id: 'c' }).create_connection({ host: 'nowhere', port: 0 }) as unknown as Inside
  const calls: Buffer[][] = []
  connection.socket = new Writable({
    write: (chunk, _encoding, done) => {
      calls.push([chunk])
      done()
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => chunk))
      done()
    },
  })
  connection.socket_ready = true
  mend(connection as never)
  let left = [...payloads.entries()]
  connection.local_channel_map = {
    0: {
      _process: () => {
        for (const [id, payload] of left)
          connection._write_frame(0, frames.transfer({ handle: 0, delivery_id: id, delivery_tag: Buffer.from([id]) }), payload)
        left = []
      },
    },
  }
  return { connection, calls }
}

const SMALL = Array.from({ length: 100 }, (_, at) => Buffer.alloc(at * 7, at))
const LARGE = Buffer.alloc(50_000, 'x')

test('frames of one turn are one call to the system, and the bytes that rhea would have written one by one', () => {
  const payloads = [...SMALL, LARGE, ...SMALL]
  const before = connectionWith(payloads, () => {})
  before.connection._process()
  const after = connectionWith(payloads, gatherOutput)
  after.connection._process()
  const bytesOf = (calls: Buffer[][]) => Buffer.concat(calls.flat())
  expect(bytesOf(after.calls).equals(bytesOf(before.calls))).toBe(true)
  expect(before.calls.length).toBeGreaterThan(100)
  // The header of the protocol is rhea's to write.
  expect(after.calls.length).toBeLessThanOrEqual(2)
  expect(after.calls.flat().length).toBeLessThan(10)
})

test('what is large is sent from where it lies, in however many pieces', () => {
  const pieces = [Buffer.from('head'), LARGE]
  const { connection, calls } = connectionWith([new Gathered(pieces)], gatherOutput)
  connection._process()
  expect(calls.flat().some(({ buffer }) => buffer === LARGE.buffer)).toBe(true)
})

test('what a turn has written leaves also where the turn ends with an error', () => {
  const { connection, calls } = connectionWith([Buffer.from('said')], gatherOutput)
  const session = connection.local_channel_map[0]
  const own = session?._process
  Object.assign(session ?? {}, {
    _process: () => {
      own?.()
      throw new Error('a session that fails')
    },
  })
  expect(() => connection._process()).toThrow('a session that fails')
  expect(Buffer.concat(calls.flat()).toString('latin1')).toContain('said')
  connection._write_frame(0, frames.transfer({ handle: 0 }), Buffer.from('afterwards'))
  expect(Buffer.concat(calls.flat()).toString('latin1')).toContain('afterwards')
})

test('what an end says of its error goes with it, though rhea takes it back before the turn is over: it went without', () => {
  const close = frames.close({ error: { condition: 'amqp:connection:forced', description: 'revoked' } })
  const { connection, calls } = connectionWith([], gatherOutput)
  Object.assign(connection.local_channel_map[0] ?? {}, {
    _process: () => {
      connection._write_frame(0, close, undefined)
      close.error = undefined
    },
  })
  connection._process()
  expect(Buffer.concat(calls.flat()).toString('latin1')).toContain('revoked')
})

test('a frame that cannot be encoded ends its connection, and nothing else', () => {
  const { connection, calls } = connectionWith([Buffer.from('before')], gatherOutput)
  const errors: unknown[] = []
  Object.assign(connection, { dispatch: (_name: string, error: unknown) => errors.push(error) })
  const session = connection.local_channel_map[0]
  const own = session?._process
  Object.assign(session ?? {}, {
    _process: () => {
      own?.()
      connection._write_frame(0, frames.transfer({ handle: -5 }), undefined)
    },
  })
  connection._process()
  expect(errors).toHaveLength(1)
  expect(Buffer.concat(calls.flat()).toString('latin1')).toContain('before')
  expect((connection.socket as Writable).writableEnded).toBe(true)
})
