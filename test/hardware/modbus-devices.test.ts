import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { crc16Modbus } from '../../src/source/decode/binary.ts'
import { joinReads, loadProfile, profileNames, readRegister } from '../../src/source/modbus-profile.ts'

const FOLDER = fileURLToPath(new URL('../../hardware/devices/', import.meta.url))

/** hardware/devices/conversations/<device>.yaml */
const conversationSchema = z.strictObject({
  unit: z.int(),
  exchanges: z.array(z.strictObject({ request: z.string(), response: z.string() })).min(1),
  reads: z.record(z.string(), z.union([z.number(), z.string()]).nullable()),
})

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

function isWhole(frame: Buffer): boolean {
  return crc16Modbus(frame.subarray(0, -2)) === frame.readUInt16LE(frame.length - 2)
}

/** What a device would be asked by its profile. */
function requestFor(unit: number, code: number, address: number, length: number): Buffer {
  const frame = Buffer.alloc(8)
  frame.set([unit, code])
  frame.writeUInt16BE(address, 2)
  frame.writeUInt16BE(length, 4)
  frame.writeUInt16LE(crc16Modbus(frame.subarray(0, 6)), 6)
  return frame
}

describe.each(profileNames())('%s', name => {
  const profile = loadProfile(name)
  const file = `${FOLDER}conversations/${name}.yaml`

  test('names its source, and no value twice', () => {
    expect(profile.source.length).toBeGreaterThan(20)
    const names = profile.registers.map(register => register.name)
    expect(new Set(names).size).toBe(names.length)
  })

  test('a conversation with it is asked as it was, and read as it should be', () => {
    expect(existsSync(file)).toBe(true)
    const { unit, exchanges, reads } = conversationSchema.parse(parse(readFileSync(file, 'utf8')))
    const values: Record<string, unknown> = {}
    const spans = joinReads(profile)
    expect(exchanges).toHaveLength(spans.length)
    for (const [index, span] of spans.entries()) {
      const request = bytesOf(exchanges[index]?.request ?? '')
      const response = bytesOf(exchanges[index]?.response ?? '')
      const code = span.function === 'input' ? 4 : 3
      expect(request).toEqual(requestFor(unit, code, span.address, span.length))
      expect(isWhole(response)).toBe(true)
      expect([...response.subarray(0, 3)]).toEqual([unit, code, span.length * 2])
      const bytes = response.subarray(3, -2)
      for (const register of span.registers) Object.assign(values, Object.fromEntries(readRegister(register, span, bytes)))
    }
    // As it is written: what is not known is null in JSON.
    expect(JSON.parse(JSON.stringify(values))).toEqual(reads)
  })
})

test('every conversation belongs to a profile, and each CRC is checked for real', () => {
  const files = readdirSync(`${FOLDER}conversations`).map(file => file.replace('.yaml', ''))
  expect(files.toSorted()).toEqual(profileNames())
  const frame = bytesOf('01 04 00 01 00 02 20 0b')
  expect(isWhole(frame)).toBe(true)
  frame[3] = 0
  expect(isWhole(frame)).toBe(false)
})
