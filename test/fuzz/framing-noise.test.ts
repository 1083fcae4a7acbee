import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createDecoder } from '../../src/source/decode/create-decoder.ts'
import type { Decoder } from '../../src/source/decode/decoder.ts'
import { decodeOptions } from '../../src/source/decode/options.ts'
import { createFramer } from '../../src/source/framing/create-framer.ts'
import type { Framer, FramerHooks } from '../../src/source/framing/framer.ts'
import { FRAMINGS as ALL_FRAMINGS, frameOptions } from '../../src/source/framing/options.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const NOISE_BYTES = 10 * 2 ** 20
/** What may still be held when all of it has gone through: a framer holds one record. */
const RETAINED_BYTES_MAX = 3 * 2 ** 20

const FRAMINGS: Readonly<Record<string, object>> = {
  'a delimiter': { delimiter: '\\r\\n' },
  'one byte': { delimiter: '\\n' },
  'a fixed length': { length: 57 },
  'a length field': { length_field: { offset: 1, bytes: 2 } },
  'a length field of four bytes, little-endian': { length_field: { bytes: 4, order: 'little' } },
  'a length field behind start bytes': { length_field: { start: '\\xaa', offset: 1, bytes: 2 } },
  'start and end bytes': { between: { start: '\\x02', end: '\\x03', trailer: 1 } },
  'start and end, of two bytes each': { between: { start: '\\x10\\x02', end: '\\x10\\x03' }, oversize: 'truncate' },
  slip: { packets: 'slip' },
  cobs: { packets: 'cobs' },
  silence: { silence: '5ms' },
  'telegrams of DSMR': { telegram: 'dsmr' },
  'telegrams with a block check': { telegram: 'iec62056', max_bytes: 100 },
}
/** Each decoder, behind the framing that gives it most to do. */
const DECODERS: readonly { readonly decode: unknown; readonly frame: object; readonly records: number }[] = [
  { decode: 'json', frame: { delimiter: '\\n' }, records: 10_000 },
  { decode: 'nmea', frame: { delimiter: '\\n' }, records: 10_000 },
  { decode: { csv: ['a', 'b', 'c'], separator: ';', decimal: ',' }, frame: { delimiter: '\\n' }, records: 10_000 },
  { decode: 'telegram', frame: { telegram: 'dsmr' }, records: 100 },
  { decode: { words: { names: ['a', 'b'], text: ['b'], begins: '(' } }, frame: { delimiter: '\\n' }, records: 10_000 },
  {
    decode: { binary: { checksum: 'crc16_modbus', fields: [{ name: 'a', at: 3, type: 'f32' }] } },
    frame: { length_field: { start: '\\xaa', offset: 1, bytes: 1 } },
    records: 1_000,
  },
]

const CHUNK_BYTES_MAX = 64 * 1024

let collect: () => void
let noise: Buffer
const seed = seedOfRun('noise through every framing')

beforeAll(() => {
  setFlagsFromString('--expose-gc')
  collect = runInNewContext('gc') as () => void
  noise = makeNoise(new SeededRandom(seed))
})

/** Bytes that no garbage collection frees. */
function retainedBytes(): number {
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/**
 * Any bytes, and in between stretches of text and of the bytes that borders are made of: uniform noise alone rarely makes a record. Made once, and
 * the same for every framing.
 */
function makeNoise(random: SeededRandom): Buffer {
  const noise = Buffer.alloc(NOISE_BYTES)
  const alphabets = [
    '',
    '',
    '\r\n,"0123456789',
    '\x02\x03\x10\xaa\x00',
    '\xc0\xdb\xdc\xdd\x01',
    '$GPRMC,*{}[]:"\n',
    '/!\x02\x03\n1-0:.*()kWh',
  ]
  for (let at = 0; at < noise.length; ) {
    const alphabet = Buffer.from(random.pick(alphabets), 'latin1')
    for (const to = Math.min(noise.length, at + random.between(1, 20_000)); at < to; at++) {
      noise[at] = alphabet.length === 0 ? random.between(0, 256) : (alphabet[random.between(0, alphabet.length)] as number)
    }
  }
  return noise
}

interface Seen {
  records: number
  trouble: number
  longest: number
}

async function pushNoise(make: (hooks: FramerHooks) => Framer, decode?: Decoder): Promise<Seen> {
  const random = new SeededRandom(seed)
  const clock = new SimulatedClock()
  const seen = { records: 0, trouble: 0, longest: 0 }
  const framer = make({
    clock,
    onFrame: (bytes, from, to) => {
      seen.records += 1
      seen.longest = Math.max(seen.longest, to - from)
      decode?.(bytes, from, to)
    },
    onTrouble: () => {
      seen.trouble += 1
    },
  })
  for (let sent = 0; sent < NOISE_BYTES; ) {
    const part = noise.subarray(sent, sent + random.between(1, CHUNK_BYTES_MAX))
    framer.push(part, clock.wallMs())
    sent += part.length
    if (random.next() < 0.1) await clock.pass(10)
    if (random.next() < 0.02) framer.interrupted()
  }
  return seen
}

describe.each(Object.entries(FRAMINGS))('10 MB of noise through %s', (_name, frame) => {
  test('no record is too long, what makes none is counted, nothing is held for ever', async () => {
    const options = frameOptions.parse(frame)
    let framer: Framer | undefined
    const before = retainedBytes()
    const seen = await pushNoise(hooks => {
      framer = createFramer(options, hooks)
      return framer
    })
    // One byte of trailer, where there is one.
    expect(seen.longest).toBeLessThanOrEqual(options.max_bytes + 1)
    expect(seen.trouble).toBeGreaterThan(0)
    expect(retainedBytes() - before).toBeLessThan(RETAINED_BYTES_MAX)
    expect(framer).toBeDefined()
  })
})

test.each(DECODERS)(
  '10 MB of noise through the decoder $decode: a value or a reason for each record',
  async ({ decode: options, frame, records }) => {
    const decode = createDecoder(decodeOptions.parse(options))
    const before = retainedBytes()
    let answers = 0
    const seen = await pushNoise(
      hooks => createFramer(frameOptions.parse(frame), hooks),
      (bytes, from, to) => {
        const decoded = decode?.(bytes, from, to) ?? { error: '' }
        if (!('error' in decoded) || decoded.error !== '') answers += 1
        return decoded
      },
    )
    expect(answers).toBe(seen.records)
    expect(answers).toBeGreaterThan(records)
    expect(retainedBytes() - before).toBeLessThan(RETAINED_BYTES_MAX)
    expect(decode).toBeDefined()
  },
)

test('no framing and no decoder is without its noise', () => {
  const framed = new Set(Object.values(FRAMINGS).flatMap(frame => Object.keys(frame)))
  expect(ALL_FRAMINGS.filter(framing => !framed.has(framing))).toEqual([])
  const tried = new Set(DECODERS.flatMap(({ decode }) => (typeof decode === 'string' ? decode : Object.keys(decode as object))))
  const { anyOf } = z.toJSONSchema(decodeOptions, { io: 'input', unrepresentable: 'any' })
  const all = anyOf?.flatMap(each => [...(each.enum ?? []), ...Object.keys(each.properties ?? {})]) ?? []
  expect(all.length).toBeGreaterThanOrEqual(7)
  expect(all.filter(name => name !== 'raw' && !tried.has(String(name)))).toEqual([])
})

test('the check sees a framer that never lets go', async () => {
  const held: Buffer[] = []
  const before = retainedBytes()
  await pushNoise(() => ({ push: chunk => held.push(Buffer.from(chunk)), interrupted: () => {} }))
  expect(retainedBytes() - before).toBeGreaterThan(RETAINED_BYTES_MAX)
  expect(held.length).toBeGreaterThan(0)
})
