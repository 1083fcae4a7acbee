import { describe, expect, test } from 'vitest'
import { createFramer } from '../../src/source/framing/create-framer.ts'
import { frameOptions } from '../../src/source/framing/options.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

function framed(options: object, chunks: readonly string[]) {
  const records: string[] = []
  const trouble: string[] = []
  const framer = createFramer(frameOptions.parse(options), {
    onFrame: (bytes, from, to) => records.push(bytes.toString('latin1', from, to)),
    onTrouble: what => trouble.push(what),
    clock: new SimulatedClock(),
  })
  const push = (text: string) => {
    const bytes = Buffer.from(text, 'latin1')
    framer.push(bytes, 0)
    // A port's read buffer is written over at once.
    bytes.fill(0xaa)
  }
  for (const chunk of chunks) push(chunk)
  return { records, trouble, framer, push }
}

/** The same whether it comes whole, in two, or byte by byte. */
function expectHowever(options: object, stream: string, expected: { records: string[]; trouble: string[] }): void {
  expect(framed(options, [stream])).toMatchObject(expected)
  for (let at = 1; at < stream.length; at++) {
    expect(framed(options, [stream.slice(0, at), stream.slice(at)])).toMatchObject(expected)
  }
  expect(framed(options, stream.split(''))).toMatchObject(expected)
}

describe('between start and end bytes', () => {
  const stx = { between: { start: '\\x02', end: '\\x03' }, max_bytes: 10 }

  test('split at every byte, with line ends between, which are usual', () => {
    expectHowever(stx, '\x02one\x03\r\n\x02two\x03\x02\x03\x02thr', { records: ['one', 'two'], trouble: [] })
  })

  test('what lies outside is counted once for each time', () => {
    expectHowever(stx, 'noise\x02one\x03more\x02two\x03', {
      records: ['one', 'two'],
      trouble: ['bytes outside of a record', 'bytes outside of a record'],
    })
  })

  test('a record that broke off is not joined with the next', () => {
    expectHowever(stx, '\x02hal\x02whole\x03', { records: ['whole'], trouble: ['a record broke off'] })
  })

  test('one without an end is given up when it is too long, and the next one is found within it', () => {
    expectHowever(stx, `\x02${'x'.repeat(30)}\x02good\x03`, { records: ['good'], trouble: ['a record was too long'] })
    expectHowever({ ...stx, oversize: 'truncate' }, `\x02${'x'.repeat(30)}\x02good\x03`, {
      records: ['x'.repeat(10), 'good'],
      trouble: ['a record was too long'],
    })
  })

  test('a checksum behind the end belongs to it, and the borders where they are asked for', () => {
    const block = { between: { start: '\\x02', end: '!\\x03', trailer: 1 } }
    expectHowever(block, '\x02abc!\x03\x02\x02de!\x03Z', { records: ['abc\x02', 'deZ'], trouble: [] })
    const kept = { between: { ...block.between, borders: 'keep' } }
    expectHowever(kept, '\x02abc!\x03\x7f', { records: ['\x02abc!\x03\x7f'], trouble: [] })
  })

  test('one byte that both begins and ends a record: who joins in the middle of one reads the next', () => {
    const flags = { between: { start: '\\x7e', end: '\\x7e' }, max_bytes: 10 }
    const trouble = ['bytes outside of a record']
    expectHowever(flags, 'lf~~two~~three~', { records: ['two', 'three'], trouble })
    expectHowever(flags, 'lf~\r\n~two~\r\n~three~\r\n', { records: ['two', 'three'], trouble })
    const kept = { between: { ...flags.between, borders: 'keep' }, max_bytes: 10 }
    expectHowever(kept, 'lf~~two~~three~', { records: ['~two~', '~three~'], trouble })
  })

  test('after the stream broke off, the next start is waited for', () => {
    const { framer, push, records, trouble } = framed(stx, ['\x02hal'])
    framer.interrupted()
    push('f\x03\x02whole\x03')
    expect(records).toEqual(['whole'])
    expect(trouble).toEqual(['a record broke off', 'bytes outside of a record'])
  })
})

describe('slip', () => {
  test('split at every byte, with every escape', () => {
    expectHowever({ packets: 'slip' }, '\xc0one\xc0\xc0a\xdb\xdcb\xdb\xddc\xc0', { records: ['one', 'a\xc0b\xdbc'], trouble: [] })
  })

  test('a wrong escape is counted, and what comes after it is read', () => {
    expectHowever({ packets: 'slip' }, 'a\xdbx\xc0b\xdb\xc0good\xc0', {
      records: ['good'],
      trouble: ['a packet was malformed', 'a packet was malformed'],
    })
  })

  test('the limit is that of the record, not of its encoding', () => {
    const longest = '\xdb\xdc'.repeat(4)
    expectHowever({ packets: 'slip', max_bytes: 4 }, `${longest}\xc0abcde\xc0ok\xc0`, {
      records: ['\xc0\xc0\xc0\xc0', 'ok'],
      trouble: ['a record was too long'],
    })
  })
})

describe('cobs', () => {
  test('split at every byte; zeros at either end and in the middle', () => {
    expectHowever({ packets: 'cobs' }, '\x03\x11\x22\x02\x33\x00\x01\x01\x00\x01\x02a\x01\x00', {
      records: ['\x11\x22\x00\x33', '\x00', '\x00a\x00'],
      trouble: [],
    })
  })

  test('254 bytes without a zero take one group, and no zero is made up behind it', () => {
    const long = 'x'.repeat(254)
    expect(framed({ packets: 'cobs' }, [`\xff${long}\x00\xff${long}\x03ab\x00`]).records).toEqual([long, `${long}ab`])
  })

  test('a group that is longer than its packet is counted, and what comes after it is read', () => {
    expectHowever({ packets: 'cobs' }, '\x09abc\x00\x03ok\x00', { records: ['ok'], trouble: ['a packet was malformed'] })
  })
})

describe('a length field behind start bytes', () => {
  const sync = { length_field: { start: '\\xaa\\x55', offset: 2, bytes: 1 }, max_bytes: 12 }

  test('noise before a record is passed over, split at every byte', () => {
    expectHowever(sync, 'noi\xaase\xaa\x55\x03abc\xaa\x55\x00\xaa\x55\x02de', {
      records: ['\xaa\x55\x03abc', '\xaa\x55\x00', '\xaa\x55\x02de'],
      trouble: ['bytes outside of a record'],
    })
  })

  test('after a length that cannot be, the next start is looked for', () => {
    expectHowever(sync, '\xaa\x55\xff\xff\xaa\x55\x02ok', {
      records: ['\xaa\x55\x02ok'],
      trouble: ['a record had an impossible length'],
    })
  })
})

test('a fixed length may be longer than the limit of the others', () => {
  expect(framed({ length: 5_000 }, ['x'.repeat(10_000)]).records).toHaveLength(2)
})

test.each([
  [{ between: { start: '\\x02', end: '\\x03' }, delimiter: '\\n' }, 'exactly one of'],
  [{ packets: 'slip', oversize: 'truncate' }, 'has to be drop'],
  [{}, 'exactly one of'],
])('%j is refused', (options, why) => {
  expect(frameOptions.safeParse(options).error?.issues[0]?.message).toContain(why)
})
