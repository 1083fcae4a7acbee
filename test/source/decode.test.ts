import { describe, expect, test } from 'vitest'
import { sentence } from '../../hardware/simulators/gps.ts'
import { createDecoder } from '../../src/source/decode/create-decoder.ts'
import { decodeOptions } from '../../src/source/decode/options.ts'

function decoded(options: unknown, input: string | Buffer) {
  const bytes = Buffer.isBuffer(input) ? input : Buffer.from(input, 'utf8')
  // In the middle of a buffer, as records are.
  const within = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
  const result = createDecoder(decodeOptions.parse(options))?.(within, 6, 6 + bytes.length)
  if (!result || 'held' in result) throw new Error('no decoder, or nothing decoded')
  return 'error' in result ? result : { json: JSON.parse(result.value.toString('utf8')), text: result.value.toString('utf8') }
}

describe('csv', () => {
  const columns = { csv: ['a', 'b', 'c'] }

  test.each([
    ['numbers', '1,2.5,-3e2', { a: 1, b: 2.5, c: -300 }],
    ['signs and leading zeros that JSON does not know', '+1,007,-0.50', { a: 1, b: 7, c: -0.5 }],
    ['text, empty fields and spaces', ' on , ,x y', { a: 'on', b: null, c: 'x y' }],
    [
      'nothing before a quoted value, which once went round and round until memory was full',
      ',"x",',
      { a: null, b: 'x', c: null },
    ],
    ['quotes', '"a,b","say ""x""",3', { a: 'a,b', b: 'say "x"', c: 3 }],
    ['what would break JSON', '\\,\u0001,"}"', { a: '\\', b: '\u0001', c: '}' }],
    ['what only looks like a number', '1.2.3,0x10,NaN', { a: '1.2.3', b: '0x10', c: 'NaN' }],
  ])('%s', (_what, line, expected) => {
    expect(decoded(columns, line)).toMatchObject({ json: expected })
  })

  test.each([
    [{ separator: ';', decimal: ',' }, '1,50;-0007,25;"a;b"', '{"a":1.50,"b":-7.25,"c":"a;b"}'],
    [{ separator: ';' }, '1,50;2.5;x', '{"a":"1,50","b":2.5,"c":"x"}'],
    [{ separator: '\\t' }, '1\t\t3', '{"a":1,"b":null,"c":3}'],
    [{ separator: '|', decimal: ',' }, '3,|1,2,3|,5', '{"a":3,"b":"1,2,3","c":",5"}'],
  ])('%j reads what is written so', (options, line, text) => {
    expect(decoded({ ...columns, ...options }, line)).toMatchObject({ text })
  })

  test.each([{ decimal: ',' }, { separator: '' }, { separator: ';;' }, { separator: '"' }])('%j is refused', options => {
    expect(decodeOptions.safeParse({ ...columns, ...options }).success).toBe(false)
  })

  test('a separator that is not ASCII', () => {
    expect(decoded({ ...columns, separator: '€' }, '1€2€ä')).toMatchObject({ json: { a: 1, b: 2, c: 'ä' } })
  })

  test('digits are kept as the device wrote them', () => {
    expect(decoded(columns, '1.10,12345678901234567890,2.0')).toMatchObject({
      text: '{"a":1.10,"b":12345678901234567890,"c":2.0}',
    })
  })

  test.each([
    ['too few', '1,2', '2 values for 3 columns'],
    ['too many', '1,2,3,4', '4 values for 3 columns'],
    ['an open quote', '"1,2,3', 'a quote is not closed, or stands in the middle of a value'],
  ])('%s: the reason is given', (_what, line, error) => {
    expect(decoded(columns, line)).toEqual({ error })
  })

  test('a column named __proto__ is a value like any other', () => {
    expect(decoded({ csv: ['__proto__', 'b'] }, '1,2')).toMatchObject({ text: '{"__proto__":1,"b":2}' })
  })
})

describe('json', () => {
  test('one line is kept as it is; several become one', () => {
    expect(decoded('json', '{"a": 1.10}')).toMatchObject({ text: '{"a": 1.10}' })
    expect(decoded('json', '{\n "a": 1\r\n}')).toMatchObject({ text: '{  "a": 1  }' })
  })

  test.each(['', '{', '{"a":}', 'nan', '{"a":1}{"b":2}'])('%j is not JSON', text => {
    expect(decoded('json', text)).toMatchObject({ error: expect.stringContaining('not JSON') })
  })

  test('depth that would overflow a stack is an error, not a crash', () => {
    const result = decoded('json', '['.repeat(50_000))
    expect(result).toMatchObject({ error: expect.stringContaining('not JSON') })
  })
})

describe('nmea', () => {
  test.each([
    ['$PMTK001,314,3', { talker: 'PM', type: 'TK001', fields: ['314', '3'] }],
    ['$PSIMSSB,,B01', { talker: 'PS', type: 'IMSSB', fields: ['', 'B01'] }],
    ['$PGRME,15.0,M', { talker: 'PG', type: 'RME', fields: ['15.0', 'M'] }],
  ])("a maker's own sentence may have a longer name: %s", (sentence, json) => {
    expect(decoded('nmea', sentence)).toMatchObject({ json })
  })

  test('others may not', () => {
    expect(decoded('nmea', '$GPGGAGGA,1')).toEqual({ error: 'not an NMEA 0183 sentence' })
  })

  test('a GGA sentence', () => {
    const text = sentence('GPGGA,123519.00,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,').trim()
    expect(decoded('nmea', text)).toMatchObject({ json: { lat: 48.1173, lon: 11.5166667, satellites: 8 } })
  })

  test('an RMC sentence of the southern and western hemispheres', () => {
    const text = sentence('GPRMC,123519,A,3351.000,S,15112.600,W,022.4,084.4,230394,,,A').trim()
    expect(decoded('nmea', text)).toMatchObject({ json: { lat: -33.85, lon: -151.21, date: '1994-03-23' } })
  })

  test('a wrong checksum is said', () => {
    const text = sentence('GPGGA,123519.00,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,').trim().replace('4807', '4808')
    expect(decoded('nmea', text)).toMatchObject({ error: expect.stringContaining('checksum') })
  })

  test.each(['', '$', 'GPGGA', '$GPGGA*', '$gpgga,1*00', '\u0000\u0001\u0002', '$GPGGA,1*zz'])('%j is no sentence', text => {
    expect(decoded('nmea', text)).toMatchObject({ error: expect.any(String) })
  })
})

test('raw has no decoder: bytes stay as they are', () => {
  expect(createDecoder(decodeOptions.parse('raw'))).toBeUndefined()
})

describe('what fuzzing found', () => {
  test('a CSV line whose first value is empty and another one quoted ends', () => {
    expect(decoded({ csv: ['a', 'b'] }, ',"x,y"')).toMatchObject({ json: { a: null, b: 'x,y' } })
  })

  test('a field of many zeros takes no longer than another', () => {
    const field = `${'0'.repeat(100_000)}x`
    expect(decoded({ csv: ['a'] }, field)).toMatchObject({ text: JSON.stringify({ a: field }) })
    expect(decoded({ csv: ['a'] }, `${'0'.repeat(100_000)}7`)).toMatchObject({ text: '{"a":7}' })
  })

  test('CSV numbers keep their digits, and none makes an infinity', () => {
    const { text } = decoded({ csv: ['a', 'b', 'c'] }, '+12345678901234567890,01e999,-007.') as { text: string }
    expect(text).toBe('{"a":12345678901234567890,"b":1e999,"c":-7}')
  })

  test('JSON on several lines keeps its digits', () => {
    expect(decoded('json', '[1e400,\n12345678901234567890]')).toMatchObject({ text: '[1e400, 12345678901234567890]' })
  })

  test.each(['json', { csv: ['a'] }] as const)('bytes that are not UTF-8 stay as they came (%j)', decode => {
    const bytes = Buffer.from([0x22, 0xb0, 0x43, 0x22])
    expect(createDecoder(decodeOptions.parse(decode))?.(bytes, 0, bytes.length)).toEqual({ error: 'not UTF-8' })
  })
})
