import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { headrace } from '../support/headrace-process.ts'
import { writeRecords } from '../support/log-writer.ts'

const LIMIT = { limitMs: 60_000 }
const START_MS = Date.parse('2026-03-01T00:00:00Z')

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-analysers-'))
  file = join(folder, 'store.yaml')
  writeFileSync(
    file,
    `pipeline: store
analysers:
  hot: { every: 1s, when: avg(oil_c) > 90, alert: { command: [./receive.sh] } }
  cold: { every: 1s, when: avg(oil_c) < 0 }
`,
  )
  writeFileSync(join(folder, 'receive.sh'), '#!/bin/sh\ncat >> alerts\n', { mode: 0o755 })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const withTest = (at: string) =>
  writeFileSync(
    file.replace('.yaml', '.test.yaml'),
    `tests:
  hot oil is told:
    records:
      - { source: compressor-1, at: 100ms, value: { oil_c: 95 } }
      - { source: compressor-1, at: 1100ms, value: { oil_c: 95 } }
    alerts: [{ analyser: hot, source: compressor-1, at: ${at} }]
`,
  )

test('tests beside a pipeline pass with exit code 0, fail with 1 and what differs, and lacking with 2', async () => {
  withTest('1s')
  const passed = await headrace(['test', file], LIMIT)
  expect([passed.code, passed.stdout]).toEqual([0, 'ok   hot oil is told\n1 passed, 0 failed\n'])
  withTest('2s')
  const failed = await headrace(['test', file], LIMIT)
  expect(failed.code).toBe(1)
  expect(failed.stdout).toContain('FAIL hot oil is told')
  expect(failed.stdout).toContain('  + 1s hot gateway/compressor-1 raised {"avg(oil_c)":95}')
  expect(failed.stdout).toContain('  - 2s hot gateway/compressor-1 raised {}')
  rmSync(file.replace('.yaml', '.test.yaml'))
  const lacking = await headrace(['test', file], LIMIT)
  expect([lacking.code, lacking.stderr.includes('has no tests')]).toEqual([2, true])
})

test('a test that can say nothing fails: where a source or a stream was mistaken, and nothing was expected, it passed for ever', async () => {
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('{ every', '{ sources: [compressor-*], every'))
  const quiet = (source: string, more = '') =>
    `{ records: [{ source: ${source}, at: 0s, value: { oil_c: 60 } }, { source: pump-1, at: 2s, value: { oil_c: 99 } }]${more} }`
  writeFileSync(
    file.replace('.yaml', '.test.yaml'),
    `tests:
  cool oil is not told, nor a hot pump: ${quiet('compressor-1')}
  a source that nobody watches: ${quiet('compresor-1')}
  a stream that nobody makes: ${quiet('compressor-1', ', streams: { oil-1m: [] }')}
`,
  )
  const { code, stdout } = await headrace(['test', file, '--json'], LIMIT)
  const outcomes = JSON.parse(stdout) as { test: string; difference?: string[] }[]
  expect([code, ...outcomes.map(({ difference = [] }) => difference.join())]).toEqual([
    1,
    '',
    'no analyser that is tested watches compresor-1 or pump-1: whatever the test expects, it shows nothing',
    'no analyser that is tested makes a stream "oil-1m"',
  ])
})

test("tests of somebody's own analyser are run where they lie: those of docs/realtime.md pass, and one that expects something else fails", async () => {
  const page = readFileSync(new URL('../../docs/realtime.md', import.meta.url), 'utf8')
  const code = [...page.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```/gms)].map(([, name = '', text = '']) => [name, text] as const)
  expect(code.map(([name]) => name)).toEqual(['strokes.ts', 'strokes.test.ts'])
  for (const [name, text] of code) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'other.test.ts'), (code[1]?.[1] ?? '').replace('[62_000,', '[63_000,'))
  writeFileSync(join(folder, 'broken.mjs'), 'throw new Error("it is broken")\n')
  const files = ['strokes.test.ts', 'other.test.ts', 'broken.mjs'].map(name => join(folder, name))
  const { code: exitCode, stdout, stderr } = await headrace(['test', ...files, '--json'], LIMIT)
  expect([exitCode, stderr.includes('it is broken')]).toEqual([1, true])
  const outcomes = JSON.parse(stdout) as { file: string; test: string; passed: boolean; difference: string[] }[]
  expect(outcomes.map(({ file, passed }) => [file, passed]).sort()).toEqual(
    files.map((file, index) => [file, index === 0]).sort(),
  )
  expect(outcomes.find(({ file }) => file === files[0])?.test).toContain('a press that stands still')
  expect(outcomes.find(({ file }) => file === files[1])?.difference.join('\n')).toContain('63000')
})

test('a replay says what would have been said and tells nobody; with --alerts it does', async () => {
  mkdirSync(join(folder, 'state', 'core'), { recursive: true })
  const log = await openSqliteLog({ path: join(folder, 'state', 'core', 'log.db'), clock: systemClock })
  const records = Array.from({ length: 100 }, (_, index) => ({
    timeMs: START_MS + index * 100,
    value: { oil_c: index >= 40 && index < 60 ? 95 : 60 },
  }))
  await writeRecords(log, { gateway: 'plant-a', source: 'compressor-1' }, 'store', records)
  await log.close()
  const args = [
    'replay',
    file,
    '--from',
    '2026-03-01T00:00:00Z',
    '--to',
    '2026-03-01T00:00:09Z',
    '--state',
    join(folder, 'state'),
  ]
  const silent = await headrace([...args, '--json'], LIMIT)
  const alerts = silent.stdout
    .trim()
    .split('\n')
    .map(line => (JSON.parse(line) as { alert: { analyser: string; state: string; time_ms: number } }).alert)
  expect(alerts.map(({ analyser, state, time_ms }) => `${analyser} ${state} ${time_ms - START_MS}`)).toEqual([
    'hot raised 5000',
    'hot cleared 7000',
  ])
  expect(existsSync(join(folder, 'alerts'))).toBe(false)
  const told = await headrace([...args, '--alerts', '--analyser', 'hot'], LIMIT)
  expect([told.code, told.stdout.split('\n').at(-2)]).toEqual([0, '90 records of 1 source(s): 2 alerts, 0 derived records'])
  expect(readFileSync(join(folder, 'alerts'), 'utf8').trim().split('\n')).toHaveLength(2)
  const unknown = await headrace([...args, '--analyser', 'warm'], LIMIT)
  expect([unknown.code, unknown.stderr.includes('has no analyser "warm"')]).toEqual([2, true])
})
