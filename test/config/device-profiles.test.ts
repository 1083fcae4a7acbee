import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fieldsOfSource } from '../../src/cli/edge-sources.ts'
import { kindOf } from '../../src/config/kind-of.ts'
import { loadPipelines } from '../../src/config/load.ts'
import type { SerialOptions } from '../../src/source/serial-options.ts'
import { serialProfileNames } from '../../src/source/serial-profile.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-profiles-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function load(source: string) {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(file, `pipeline: plant\nsources:\n  a: ${source}\n`)
  const config = loadPipelines([file])[0]?.config.sources['a']
  if (!config) throw new Error('no source')
  return { config, serial: kindOf(config).options as SerialOptions }
}

test.each(serialProfileNames())('%s: a port and the name of the device are all that a file needs', name => {
  const { config, serial } = load(`{ serial: { path: /dev/ttyUSB7, device: ${name} } }`)
  expect(serial.path).toBe('/dev/ttyUSB7')
  expect(config.decode).toBeDefined()
  const units = Object.values(fieldsOfSource(config)).filter(({ unit }) => unit !== undefined)
  expect(units.length).toBeGreaterThan(0)
})

test('settings, framing, decoder, requests, time and units come from the profile', () => {
  const meter = load('{ serial: { path: /dev/ttyS0, device: dsmr-meter } }')
  expect(meter.serial.baud).toBe(115_200)
  expect(meter.config).toMatchObject({ frame: { telegram: 'dsmr' }, decode: 'telegram', time: { field: 'time' } })
  const ups = load('{ serial: { path: /dev/ttyS0, device: ups-megatec } }')
  expect(ups.serial).toMatchObject({ baud: 2_400, ask: { requests: ['Q1\r'], every: 1_000 } })
  expect(fieldsOfSource(ups.config)).toMatchObject({ battery_v: { unit: 'V' }, flags: {} })
})

test('what the file says itself goes before it', () => {
  const { config, serial } = load(
    '{ serial: { path: /dev/ttyS0, device: ups-megatec, baud: 9600, ask: { requests: ["Q2\\r"], every: 5s } }, decode: raw, fields: { battery_v: { description: Of the left one } } }',
  )
  expect(serial).toMatchObject({ baud: 9_600, ask: { requests: ['Q2\r'], every: 5_000 } })
  expect(config.decode).toBe('raw')
  expect(config.frame).toMatchObject({ delimiter: '\\r' })
  expect(config.fields['battery_v']).toEqual({ unit: 'V', description: 'Of the left one' })
})

test('a device that there is no profile of is said at its place, with the one that was meant', () => {
  expect(() => load('{ serial: { path: /dev/ttyS0, device: ups-megatek } }')).toThrow(
    /pipeline\.yaml:3:\d+: device "ups-megatek" is no device profile; did you mean "ups-megatec"\? Known are /,
  )
})
