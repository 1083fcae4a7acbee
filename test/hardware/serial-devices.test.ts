import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createDecoder } from '../../src/source/decode/create-decoder.ts'
import { createFramer } from '../../src/source/framing/create-framer.ts'
import { frameOptions } from '../../src/source/framing/options.ts'
import { serialProfileSchema } from '../../src/source/serial-profile.ts'

const FOLDER = fileURLToPath(new URL('../../hardware/devices/serial/', import.meta.url))

const names = readdirSync(FOLDER).map(file => file.replace('.yaml', ''))

/** What the pipeline makes of bytes, as chunks of `chunkBytes`. */
function readBytes(settings: object, bytes: Buffer, chunkBytes: number): unknown[] {
  const config = pipelineSchema.parse({ pipeline: 'p', sources: { device: settings } }).sources['device']
  const records: unknown[] = []
  const decoder = createDecoder(config?.decode ?? 'raw')
  const framer = createFramer(config?.frame ?? frameOptions.parse({ delimiter: '\\r\\n' }), {
    onFrame: (frame, from, to) => {
      const decoded = decoder?.(frame, from, to)
      if (!decoded || 'held' in decoded) return
      records.push('value' in decoded ? JSON.parse(decoded.value.toString('utf8')) : decoded)
    },
    onTrouble: what => records.push({ trouble: what }),
    clock: systemClock,
  })
  for (let at = 0; at < bytes.length; at += chunkBytes) framer.push(bytes.subarray(at, at + chunkBytes), 0)
  return records
}

test('there are profiles of GPS, AIS, weather, meters, UPS, scales and air', () => {
  expect(names.length).toBeGreaterThanOrEqual(7)
})

describe.each(names)('%s', name => {
  const profile = serialProfileSchema.parse(parse(readFileSync(`${FOLDER}${name}.yaml`, 'utf8')))
  const texts = (profile.conversation ?? []).map(text => Buffer.from(text, 'latin1'))
  const binary = (profile.conversation_hex ?? []).map(hex => Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  const bytes = Buffer.concat([...texts, ...binary])

  test.each([1, 7, 100_000])('what it says is read as it should be, in chunks of %i', chunkBytes => {
    const records = readBytes(profile.settings, bytes, chunkBytes)
    expect(records).toHaveLength(profile.reads.length)
    for (const [index, read] of profile.reads.entries()) expect(records[index]).toMatchObject(read)
  })

  test('every unit belongs to a value that it gives', () => {
    const given = new Set(readBytes(profile.settings, bytes, 100_000).flatMap(record => Object.keys(record as object)))
    const optional = new Set(['l1_voltage_v'])
    for (const value of Object.keys(profile.units)) expect(given.has(value) || optional.has(value)).toBe(true)
  })
})

test('a sensor of dust that is heard from the middle of a telegram on is read from the next one on', () => {
  const { settings, conversation_hex: [hex = ''] = [] } = serialProfileSchema.parse(
    parse(readFileSync(`${FOLDER}plantower-pms5003.yaml`, 'utf8')),
  )
  const telegram = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  for (const from of telegram.keys()) {
    const records = readBytes(settings, Buffer.concat([telegram.subarray(from), telegram]), 7)
    expect(records.at(-1)).toMatchObject({ pm2_5_ug_m3: 9 })
    for (const record of records) expect(record).not.toHaveProperty('error')
  }
})

test('a checksum that is wrong makes no reading', () => {
  const { settings, conversation_hex: [hex = ''] = [] } = serialProfileSchema.parse(
    parse(readFileSync(`${FOLDER}plantower-pms5003.yaml`, 'utf8')),
  )
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  bytes[11] = (bytes[11] ?? 0) ^ 1
  expect(readBytes(settings, bytes, 100)).toEqual([{ error: expect.stringMatching(/^checksum/) }])
})
