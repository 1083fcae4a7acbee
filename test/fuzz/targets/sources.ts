import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { systemClock } from '../../../src/runtime/clock.ts'
import { createDecoder } from '../../../src/source/decode/create-decoder.ts'
import { type DecodeOptions, decodeOptions } from '../../../src/source/decode/options.ts'
import { createFramer } from '../../../src/source/framing/create-framer.ts'
import { type FrameOptions, frameOptions } from '../../../src/source/framing/options.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { target } from '../harness/target.ts'

const small = fc.integer({ min: 1, max: 40 })
const border = fc.oneof(
  fc.record({ delimiter: fc.constantFrom('\\n', '\\r\\n', '\\x03', 'aab', '\\0\\0\\0') }),
  fc.record({ length: small }),
  fc.record({
    length_field: fc.record({
      offset: fc.nat(4),
      bytes: fc.constantFrom(1 as const, 2 as const, 4 as const),
      order: fc.constantFrom('big' as const, 'little' as const),
      adds: fc.integer({ min: -64, max: 64 }),
      start: fc.constantFrom(undefined, '\\x01', 'ab'),
    }),
  }),
  fc.record({
    between: fc.record({
      start: fc.constantFrom('\\x02', '\\x01\\x02', 'a'),
      end: fc.constantFrom('\\x03', '\\x01\\x03', 'b'),
      trailer: fc.nat(3),
      borders: fc.constantFrom('drop', 'keep'),
    }),
  }),
  fc.record({ packets: fc.constantFrom('slip', 'cobs') }),
  fc.record({ telegram: fc.constantFrom('dsmr', 'iec62056') }),
)
const framing: fc.Arbitrary<FrameOptions> = fc
  .tuple(border, fc.integer({ min: 1, max: 64 }), fc.constantFrom('drop', 'truncate'))
  .map(([by, max_bytes, oversize]) => frameOptions.parse({ ...by, max_bytes, oversize: 'packets' in by ? 'drop' : oversize }))

/** Few different bytes, so that delimiters and lengths come about by chance; those of SLIP and of meters as well. */
const BYTES = [0, 1, 2, 3, 9, 10, 13, 97, 98, 255, 192, 219, 220, 221, 47, 33]
const stream = fc.array(fc.constantFrom(...BYTES), { maxLength: 400 }).map(array => Buffer.from(array))

/** Of a record between `start` and `end` here: both, and a trailer. */
const BORDERS_BYTES_MAX = 2 + 2 + 3

function frames(options: FrameOptions, pieces: readonly Buffer[]): string[] {
  const found: string[] = []
  const framer = createFramer(options, {
    clock: systemClock,
    onTrouble: () => {},
    onFrame: (bytes, from, to) => {
      // What is kept, or follows, of its borders is not counted.
      const most = (options.length ?? options.max_bytes) + (options.between ? BORDERS_BYTES_MAX : 0)
      if (to - from > most) throw new Error(`a record of ${to - from} bytes, ${most} are allowed`)
      if (from < 0 || to > bytes.length || from > to) throw new Error(`a record from ${from} to ${to} of ${bytes.length} bytes`)
      found.push(bytes.toString('hex', from, to))
    },
  })
  for (const piece of pieces) framer.push(piece, 0)
  return found
}

const SENTENCES = [
  '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47',
  '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A',
  '$GPHDT,274.07,T*03',
  '!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D',
].map(text => Buffer.from(text))
const LINES = ['1,2.5,abc', '"a ""b""",,-0.0', '+01,1e999,"x,y"', '0x10, 7 ,00012', '-1.e+3,+00,1.', '1,5;-007,25e1;"a;b"'].map(
  text => Buffer.from(text),
)
const JSONS = ['{"a":[1,2,{"b":null}],"c":"\\u00e9"}', '[1e400,\n12345678901234567890]', '"text"'].map(text => Buffer.from(text))
const TELEGRAMS = [
  '/ISk5\\2MT382-1000\r\n\r\n1-0:1.8.1(123456.789*kWh)\r\n1-0:99.97.0(1)(0-0:96.7.19)(000101000001W)(2147483647*s)\r\n!\r\n',
  '/LGZ4ZMF\r\n\x02F.F(00)\r\nC.1(12)(34)\r\n1.8.0(0001.5*kWh)\r\n!\r\n\x03',
].map(text => Buffer.from(text, 'latin1'))
const WORDS = ['(230.0 50.1 00110000', 'ST,GS,+  1.25kg', '  1 -2e3\t0x1 '].map(text => Buffer.from(text))
const NUMBERS = [Buffer.alloc(12), Buffer.from('7fc00000ff8000007f7fffff', 'hex')]

const decoding: fc.Arbitrary<{ decode: DecodeOptions; bytes: Buffer }> = fc.oneof(
  fc.record({ decode: fc.constant('nmea' as const), bytes: fc.oneof(mutated(SENTENCES), anyBytes(120)) }),
  fc.record({
    decode: fc.record({
      csv: fc.constant(['a', 'b', 'c'] as string[]),
      separator: fc.constantFrom(',', ';', '\\t'),
      decimal: fc.constantFrom('.' as const, ',' as const),
    }),
    bytes: fc.oneof(mutated(LINES), anyBytes(60)),
  }),
  fc.record({ decode: fc.constant('telegram' as const), bytes: fc.oneof(mutated(TELEGRAMS), anyBytes(120)) }),
  fc.record({
    decode: fc.record({ begins: fc.constantFrom('', '('), names: fc.constant(['a', 'b', 'c']) }).map(wordsOf),
    bytes: fc.oneof(mutated(WORDS), anyBytes(60)),
  }),
  fc.record({
    decode: fc
      .record({
        order: fc.constantFrom('big', 'little'),
        checksum: fc.constantFrom('none', 'none', 'sum8', 'sum16', 'xor8', 'crc16_modbus'),
        type: fc.constantFrom('u8', 'i16', 'u32', 'f32'),
        scale: fc.constantFrom(1, 0.1, 1e308),
      })
      .map(binaryOf),
    bytes: fc.oneof(mutated(NUMBERS), anyBytes(20)),
  }),
  fc.record({ decode: fc.constant('json' as const), bytes: fc.oneof(mutated(JSONS), anyBytes(60)) }),
)

function wordsOf(words: object): DecodeOptions {
  return decodeOptions.parse({ words: { ...words, text: ['c'] } })
}

function binaryOf({ type, scale, ...of }: { type: string; scale: number; order: string; checksum: string }): DecodeOptions {
  return decodeOptions.parse({ binary: { ...of, fields: [0, 3].map(at => ({ name: `at_${at}`, at, type, scale })) } })
}

export const targets = [
  target({
    name: 'framings: a stream cut anywhere gives the same records, none too long',
    input: fc.record({ options: framing, bytes: stream, lengths: cuts }),
    runs: 3_000,
    run({ options, bytes, lengths }) {
      const cut = frames(options, inPieces(bytes, lengths))
      // Where a length cannot be, what came with it is dropped: there the pieces decide.
      if (options.length_field || (options.length ?? 0) > options.max_bytes) return
      const whole = frames(options, [bytes])
      if (cut.join() !== whole.join()) throw new Error(`in pieces ${cut.join()}, whole ${whole.join()}`)
    },
  }),
  target({
    name: 'decoders: what is decoded is JSON in UTF-8',
    input: decoding,
    runs: 5_000,
    run({ decode, bytes }) {
      const decoded = createDecoder(decode)?.(bytes, 0, bytes.length)
      if (!decoded || !('value' in decoded)) return
      if (!isUtf8(decoded.value)) throw new Error('the value is not UTF-8')
      JSON.parse(decoded.value.toString('utf8'))
    },
  }),
]
