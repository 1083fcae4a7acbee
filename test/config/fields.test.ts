import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fieldsOfSource } from '../../src/cli/edge-sources.ts'
import { jobPlans } from '../../src/cli/readers.ts'
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

test('a job knows a source by the fields that arrive: of the decoder or the device, behind the steps; where not all are known it knows none', () => {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(
    file,
    `pipeline: plant
sources:
  meter:
    modbus: { tcp: "127.0.0.1:502", device: eastron-sdm120 }
    steps: [{ select: [voltage_v, power_w] }, { rename: { power_w: load_w } }]
  boiler: { serial: { path: /dev/ttyS0 }, decode: { csv: [temp_c, state] } }
  open: { serial: { path: /dev/ttyS1 }, decode: json, fields: { temp_c: { unit: "°C" } } }
  bytes: { serial: { path: /dev/ttyS2 } }
  lines: { file: { path: /var/log/plant.log } }
batch: { load: { run: [./load.sh] } }
`,
  )
  const [plan] = jobPlans(loadPipelines([file]))
  const shape = (source: string) => plan?.definition.shapeOf({ gateway: 'g', source })
  expect(shape('meter')).toEqual({ json: true, columns: ['voltage_v', 'load_w'] })
  expect(shape('meter-retried')).toEqual(shape('meter'))
  expect(shape('boiler')).toEqual({ json: true, columns: ['temp_c', 'state'] })
  expect(shape('open')).toEqual({ json: true, columns: [] })
  expect(shape('bytes')).toEqual({ json: false, columns: [], unchecked: true })
  expect(shape('lines')).toEqual({ json: true, columns: [], unchecked: true })
  expect(shape('of-another-file')).toEqual({ json: true, columns: [], unchecked: true })
})

test('a job knows a derived stream by the fields that its analyser makes, whatever a source of that name has', () => {
  const file = join(folder, 'pipeline.yaml')
  const other = join(folder, 'other.yaml')
  writeFileSync(
    file,
    `pipeline: plant
sources:
  minutes: { serial: { path: /dev/ttyS0 }, decode: { csv: [temp_c] } }
analysers:
  minutes: { every: 1m, values: { hot: max(temp_c), n: records() }, stream: { name: minutes } }
  together: { every: 1m, per: all, when: max(temp_c) > 9, stream: { name: together } }
  own: { module: ./own.ts, stream: { name: own, fields: { strokes: { type: number } } } }
batch: { load: { run: [./load.sh] } }
`,
  )
  writeFileSync(
    other,
    `pipeline: other
analysers:
  lent: { sources: [analysers/minutes], values: { cold: 0 - hot }, stream: { name: lent, topic: plant, fields: { cold: { unit: K } } } }
`,
  )
  const [plan] = jobPlans(loadPipelines([file, other]))
  const columns = (source: string) => plan?.definition.shapeOf({ gateway: 'analysers', source }).columns
  expect(columns('minutes')).toEqual(['gateway', 'source', 'from_ms', 'to_ms', 'hot', 'n'])
  expect(columns('together')).toEqual(['from_ms', 'to_ms', 'max(temp_c)'])
  expect(columns('lent')).toEqual(['gateway', 'source', 'cold'])
  expect(columns('own')).toEqual([])
  expect(plan?.definition.shapeOf({ gateway: 'g', source: 'minutes' }).columns).toEqual(['temp_c'])
})
