import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFramer } from '../../src/source/framing/create-framer.ts'
import { frameOptions } from '../../src/source/framing/options.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

interface Gathered {
  readonly records: string[]
  readonly trouble: string[]
}

/** Pushes the chunks, each in memory that is written over at once, as a port's read buffer is. */
function framed(options: object, chunks: readonly (string | Buffer)[], clock = new SimulatedClock()) {
  const gathered: Gathered = { records: [], trouble: [] }
  const framer = createFramer(frameOptions.parse(options), {
    onFrame: (bytes, from, to) => gathered.records.push(bytes.toString('latin1', from, to)),
    onTrouble: what => gathered.trouble.push(what),
    clock,
  })
  const push = (chunk: string | Buffer) => {
    const bytes = Buffer.from(chunk as string, 'latin1')
    framer.push(bytes, clock.wallMs())
    bytes.fill(0xaa)
  }
  for (const chunk of chunks) push(chunk)
  return { ...gathered, framer, push, clock }
}

/** Cuts at every position that is named, so that a record is met whole, in two, and byte by byte. */
function cutAt(text: string, positions: readonly number[]): string[] {
  const sorted = [...new Set(positions.filter(at => at > 0 && at < text.length))].sort((a, b) => a - b)
  return [0, ...sorted].map((from, index) => text.slice(from, sorted[index] ?? text.length))
}

describe('delimiter', () => {
  const crlf = { delimiter: '\\r\\n', max_bytes: 20 }

  test('whole, several in one chunk, and empty ones passed over', () => {
    expect(framed(crlf, ['one\r\ntwo\r\n\r\nthree\r\nhalf'])).toMatchObject({ records: ['one', 'two', 'three'], trouble: [] })
  })

  test('split at every position', () => {
    const text = 'one\r\ntwo\rx\r\nthree\n\r\n'
    for (let at = 1; at < text.length; at++) {
      expect(framed(crlf, [text.slice(0, at), text.slice(at)]).records).toEqual(['one', 'two\rx', 'three\n'])
    }
  })

  test('an endless line is passed over, whatever it is cut into, and counted once', () => {
    const long = 'x'.repeat(1_000)
    for (const size of [1, 7, 19, 20, 21, 22, 500]) {
      const chunks = `a\r\n${long}\r\nb\r\n`.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      expect(framed(crlf, chunks)).toMatchObject({ records: ['a', 'b'], trouble: ['a record was too long'] })
    }
  })

  test('one that never ends, since the delimiter is another one than the device sends, is counted all the same: it was silent', () => {
    expect(framed(crlf, ['one\n'.repeat(100), 'two\n'.repeat(100)])).toMatchObject({
      records: [],
      trouble: ['a record was too long'],
    })
  })

  test('or its beginning is kept, where that is asked for', () => {
    for (const size of [1, 7, 20, 21, 22, 23, 500]) {
      const chunks = `a\r\n${'xyz'.repeat(100)}\r\nb\r\n`.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      expect(framed({ ...crlf, oversize: 'truncate' }, chunks)).toMatchObject({
        records: ['a', 'xyzxyzxyzxyzxyzxyzxy', 'b'],
        trouble: ['a record was too long'],
      })
    }
  })

  test('any bytes, any delimiter, any cut: the same records as from the whole', () => {
    const byte = fc.constantFrom('a', 'b', '\r', '\n', ';')
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: byte, maxLength: 30 }), { maxLength: 12 }),
        fc.constantFrom('\n', '\r\n', ';;;', 'ab'),
        fc.array(fc.nat(300)),
        (parts, delimiter, positions) => {
          const text = parts.join(delimiter) + delimiter
          const expected = text
            .split(delimiter)
            .slice(0, -1)
            .filter(record => record !== '' && record.length <= 20)
          const escaped = delimiter.replace('\r', '\\r').replace('\n', '\\n')
          expect(framed({ delimiter: escaped, max_bytes: 20 }, cutAt(text, positions)).records).toEqual(expected)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('after the stream broke off, half a record is not joined with another', () => {
    const { framer, push, records, trouble } = framed(crlf, ['hal'])
    framer.interrupted()
    push('f\r\nwhole\r\n')
    expect(records).toEqual(['f', 'whole'])
    expect(trouble).toEqual(['a record broke off'])
  })

  test('one that is not ASCII is that of UTF-8, unless its byte is written', () => {
    const bytes = (text: string) => Buffer.from(text).toString('latin1')
    expect(framed({ delimiter: '→' }, [bytes('one→two→')]).records).toEqual(['one', 'two'])
    expect(framed({ delimiter: '§' }, [bytes('one§two§')]).records).toEqual(['one', 'two'])
    expect(framed({ delimiter: '\\xa7' }, ['one\xa7two\xa7']).records).toEqual(['one', 'two'])
  })

  test('a byte is written as \\x03', () => {
    expect(framed({ delimiter: '\\x03' }, ['a\x03b\x03']).records).toEqual(['a', 'b'])
  })
})

describe('length', () => {
  test('split at every position', () => {
    const text = 'aaaabbbbcc'
    for (let at = 1; at < text.length; at++) {
      expect(framed({ length: 4 }, [text.slice(0, at), text.slice(at)]).records).toEqual(['aaaa', 'bbbb'])
    }
  })

  test('in a field, split at every position', () => {
    const text = 'T\x00\x03abcT\x00\x00T\x00\x05hello'
    const options = { length_field: { offset: 1, bytes: 2 } }
    for (let at = 1; at < text.length; at++) {
      expect(framed(options, [text.slice(0, at), text.slice(at)]).records).toEqual([
        'T\x00\x03abc',
        'T\x00\x00',
        'T\x00\x05hello',
      ])
    }
  })

  test('little-endian, and counting itself', () => {
    expect(framed({ length_field: { bytes: 2, order: 'little', adds: -2 } }, ['\x05\x00abc\x03\x00z']).records).toEqual([
      '\x05\x00abc',
      '\x03\x00z',
    ])
  })

  test('a length that cannot be is said, and nothing grows', () => {
    const { records, trouble, push } = framed({ length_field: { bytes: 4 }, max_bytes: 100 }, ['\xff\xff\xff\xffgarbage'])
    expect(records).toEqual([])
    expect(trouble).toEqual(['a record had an impossible length'])
    push('\x00\x00\x00\x02ok')
    expect(records).toEqual(['\x00\x00\x00\x02ok'])
  })
})

describe('silence', () => {
  test('a pause ends a record; chunks without one belong together', async () => {
    const { push, records, clock } = framed({ silence: '20ms' }, ['ab'])
    await clock.pass(15)
    push('cd')
    await clock.pass(19)
    expect(records).toEqual([])
    await clock.pass(2)
    push('ef')
    await clock.pass(25)
    expect(records).toEqual(['abcd', 'ef'])
  })

  test('a stream that never pauses stays bounded, and is counted', async () => {
    const { push, records, trouble, clock } = framed({ silence: '20ms', max_bytes: 10 }, [])
    for (let chunk = 0; chunk < 100; chunk++) push('garbage')
    await clock.pass(30)
    expect(records).toEqual([])
    expect(trouble).toEqual(['a record was too long'])
    push('ok')
    await clock.pass(30)
    expect(records).toEqual(['ok'])
  })
})
