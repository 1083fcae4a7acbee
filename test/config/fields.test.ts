import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fieldsOfSource } from '../../src/cli/edge-sources.ts'
import { loadPipelines } from '../../src/config/load.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-fields-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function fieldsOf(source: string) {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(file, `pipeline: plant\nsources:\n  a:\n${source}`)
  const config = loadPipelines([file])[0]?.config.sources['a']
  if (!config) throw new Error('no source')
  return fieldsOfSource(config)
}

test('units come from the device profile, and follow the steps', () => {
  const fields = fieldsOf(`    modbus: { tcp: "127.0.0.1:502", device: eastron-sdm120 }
    steps:
      - select: [voltage_v, power_w]
      - rename: { power_w: power_kw }
      - scale: { power_kw: { factor: 0.001, unit: kW } }
`)
  expect(fields).toEqual({ voltage_v: { type: 'number', unit: 'V' }, power_kw: { type: 'number', unit: 'kW' } })
})

test('columns are known by name, and by what somebody declares of them', () => {
  const fields = fieldsOf(`    serial: { path: /dev/ttyS0 }
    decode: { csv: [temp_c, state] }
    fields: { temp_c: { type: number, unit: "°C", description: Boiler } }
`)
  expect(fields).toEqual({ temp_c: { type: 'number', unit: '°C', description: 'Boiler' }, state: {} })
})
