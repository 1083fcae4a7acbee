import { z } from 'zod'
import { reckoned, shortestFloat } from '../digits.ts'
import type { Decoded, Decoder } from './decoder.ts'

const BYTES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4 } as const
type FieldType = keyof typeof BYTES

/** `decode: { binary: … }`: numbers at fixed places of a record. */
export const binaryOptions = z.strictObject({
  order: z.enum(['big', 'little']).default('big').describe('Order of the bytes of a number.'),
  checksum: z
    .enum(['none', 'sum8', 'sum16', 'xor8', 'crc16_modbus'])
    .default('none')
    .describe('The last byte or two bytes of the record: sum or XOR of all before, or CRC-16 of Modbus (low byte first).'),
  fields: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z_][a-z0-9_]*$/, 'is not a name: lower-case letters, digits and _'),
        at: z.int().min(0).max(65_535).describe('Its first byte, from 0.'),
        type: z.enum(Object.keys(BYTES) as [FieldType, ...FieldType[]]),
        scale: z.number().default(1).describe('The number is multiplied by it.'),
      }),
    )
    .min(1)
    .max(500)
    .describe('What stands where.'),
})
export type BinaryOptions = z.output<typeof binaryOptions>

/** A record of bytes becomes a JSON object. */
export function binaryDecoder({ order, checksum, fields }: BinaryOptions): Decoder {
  const bytesMin = Math.max(...fields.map(({ at, type }) => at + BYTES[type]))
  return (bytes, from, to): Decoded => {
    const record = bytes.subarray(from, to)
    if (record.length < bytesMin) return { error: `${record.length} bytes, and ${bytesMin} are read` }
    const wrong = checksumError(checksum, record, order)
    if (wrong !== undefined) return { error: wrong }
    const values = fields.map(({ name, at, type, scale }) => {
      const value = number(record, at, type, order)
      return [name, scale === 1 ? value : reckoned(value * scale)]
    })
    return { value: Buffer.from(JSON.stringify(Object.fromEntries(values))) }
  }
}

function number(record: Buffer, at: number, type: FieldType, order: 'big' | 'little'): number {
  const bytes = BYTES[type]
  if (type === 'f32') return shortestFloat(order === 'big' ? record.readFloatBE(at) : record.readFloatLE(at))
  if (type.startsWith('u')) return order === 'big' ? record.readUIntBE(at, bytes) : record.readUIntLE(at, bytes)
  return order === 'big' ? record.readIntBE(at, bytes) : record.readIntLE(at, bytes)
}

function checksumError(kind: BinaryOptions['checksum'], record: Buffer, order: 'big' | 'little'): string | undefined {
  if (kind === 'none') return undefined
  const width = kind === 'sum16' || kind === 'crc16_modbus' ? 2 : 1
  const end = record.length - width
  if (end < 0) return 'no room for a checksum'
  const low = kind === 'crc16_modbus' || order === 'little'
  const said = low ? record.readUIntLE(end, width) : record.readUIntBE(end, width)
  const body = record.subarray(0, end)
  const computed = CHECKSUMS[kind](body)
  if (said === computed) return undefined
  const hex = (value: number) =>
    value
      .toString(16)
      .toUpperCase()
      .padStart(width * 2, '0')
  return `checksum ${hex(said)}, computed ${hex(computed)}`
}

const CHECKSUMS: Readonly<Record<Exclude<BinaryOptions['checksum'], 'none'>, (body: Buffer) => number>> = {
  sum8: body => body.reduce((sum, byte) => (sum + byte) & 0xff, 0),
  sum16: body => body.reduce((sum, byte) => (sum + byte) & 0xffff, 0),
  xor8: body => body.reduce((sum, byte) => sum ^ byte, 0),
  crc16_modbus: crc16Modbus,
}

/** CRC-16/MODBUS (Modbus over serial line 1.02, 6.2.2). */
export function crc16Modbus(body: Uint8Array): number {
  let crc = 0xffff
  for (const byte of body) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}
