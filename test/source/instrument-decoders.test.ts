import { describe, expect, test } from 'vitest'
import { crc16Modbus } from '../../src/source/decode/binary.ts'
import { createDecoder } from '../../src/source/decode/create-decoder.ts'
import { decodeOptions } from '../../src/source/decode/options.ts'

function decoded(options: unknown, bytes: Buffer) {
  const result = createDecoder(decodeOptions.parse(options))?.(bytes, 0, bytes.length)
  if (!result || 'held' in result) throw new Error('nothing decoded')
  return 'error' in result ? result : JSON.parse(result.value.toString('utf8'))
}

describe('words', () => {
  const words = { words: { begins: '(', names: ['volts', 'load', 'flags'], text: ['flags'] } }

  test.each([
    ['(208.4 034 00110000', { volts: 208.4, load: 34, flags: '00110000' }],
    ['(  -1   x\t"q"  ', { volts: -1, load: 'x', flags: '"q"' }],
    ['(23 °C ok', { volts: 23, load: '°C', flags: 'ok' }],
    ['(1 2', { error: '2 words for 3 names' }],
    ['208.4 034 00110000', { error: 'does not begin with "("' }],
    ['', { error: 'does not begin with "("' }],
  ])('%j', (line, expected) => {
    expect(decoded(words, Buffer.from(line))).toEqual(expected)
  })

  test('of a device that knows Latin-1 only', () => {
    const line = Buffer.from('(23 °C ok', 'latin1')
    expect(decoded(words, line)).toEqual({ volts: 23, load: '°C', flags: 'ok' })
  })
})

describe('binary', () => {
  const fields = [
    { name: 'a', at: 0, type: 'u8' },
    { name: 'b', at: 1, type: 'i16', scale: 0.1 },
    { name: 'c', at: 3, type: 'f32' },
  ]
  const body = Buffer.from([200, 0xff, 0x85, 0x41, 0x48, 0, 0])
  const sum = body.reduce((all, byte) => all + byte, 0)
  const crc = crc16Modbus(body)

  test('a float keeps the digits that it has, and gets no others', () => {
    const record = Buffer.alloc(7)
    for (const value of [0.1, 21.1, 12_345.678, 12_345_678, -1e-7, 3.4028235e38]) {
      record.writeFloatBE(value, 3)
      expect(decoded({ binary: { fields } }, record)).toMatchObject({ c: value })
    }
  })

  test.each([
    ['none', []],
    ['sum8', [sum & 0xff]],
    ['sum16', [sum >> 8, sum & 0xff]],
    ['xor8', [body.reduce((all, byte) => all ^ byte, 0)]],
    ['crc16_modbus', [crc & 0xff, crc >> 8]],
  ])('with checksum %s; any bit that is wrong is noticed', (checksum, tail) => {
    const record = Buffer.concat([body, Buffer.from(tail)])
    const options = { binary: { checksum, fields } }
    expect(decoded(options, record)).toEqual({ a: 200, b: -12.3, c: 12.5 })
    if (checksum === 'none') return
    for (let bit = 0; bit < record.length * 8; bit++) {
      const spoilt = Buffer.from(record)
      spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decoded(options, spoilt)).toEqual({ error: expect.stringMatching(/^checksum/) })
    }
  })

  test('the CRC of Modbus is that of the specification', () => {
    expect(crc16Modbus(Buffer.from([0x02, 0x07]))).toBe(0x1241)
  })

  test('little-endian numbers', () => {
    const options = { binary: { order: 'little', fields: [{ name: 'n', at: 0, type: 'u32' }] } }
    expect(decoded(options, Buffer.from([1, 0, 0, 0]))).toEqual({ n: 1 })
  })

  test('a record that is too short says so', () => {
    expect(decoded({ binary: { fields } }, Buffer.alloc(3))).toEqual({ error: '3 bytes, and 7 are read' })
    expect(
      decoded({ binary: { checksum: 'sum16', fields: [{ name: 'a', at: 0, type: 'u8' }] } }, Buffer.alloc(1)),
    ).toHaveProperty('error')
  })
})
