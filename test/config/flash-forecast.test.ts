import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { forecastFlash } from '../../src/config/flash-forecast.ts'
import { loadPipelines } from '../../src/config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'headrace-flash-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function forecast(yaml: string) {
  const file = join(folder, 'p.yaml')
  writeFileSync(file, `pipeline: p\n${yaml}`)
  return forecastFlash(loadPipelines([file]))
}

const fleet = (durability: string, records: number) =>
  `durability: ${durability}\nsources:\n${Array.from({ length: 50 }, (_, at) => `  g${at}: { generator: { records_per_second: ${records / 50} } }\n`).join('')}`

test.each([
  // Measured: 200 records a second of 50 sources.
  ['1ms', 200, 87],
  ['10ms', 200, 61],
  ['50ms', 200, 23],
  ['50ms', 5_000, 136],
])('at durability %s and %i records a second it comes near the %i GB a day that were measured', (durability, records, gb) => {
  const { bytesPerDay } = forecast(fleet(durability, records))
  expect(bytesPerDay / 1e9).toBeGreaterThan(gb / 1.3)
  expect(bytesPerDay / 1e9).toBeLessThan(gb * 1.3)
})

test('what reads at intervals says its rate, steps that thin it out count, and all else is assumed and named', () => {
  const { recordsPerSecond, assumed } = forecast(`sources:
  meter: { modbus: { tcp: "127.0.0.1:502", unit: 1, device: eastron-sdm120, every: 2s } }
  fast:
    generator: { records_per_second: 100 }
    steps: [{ sample: { every: 10s } }]
  port: { serial: { path: /dev/ttyUSB0 } }
`)
  expect(recordsPerSecond).toBeCloseTo(0.5 + 0.1 + 1)
  expect(assumed).toEqual(['port'])
})

test('a longer durability writes less, and no source writes nothing', () => {
  expect(forecast(fleet('1s', 200)).bytesPerDay).toBeLessThan(forecast(fleet('50ms', 200)).bytesPerDay)
  expect(forecast('sources: {}').bytesPerDay).toBe(0)
})
