import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { linesOf, Up } from './up-process.ts'

const PRELOAD = fileURLToPath(new URL('./clock-preload.mjs', import.meta.url))

let up: Up
beforeEach(() => {
  up = new Up('pipeline: p\nsources:\n  s:\n    generator: { records_per_second: 20, count: 40 }\n')
})
afterEach(async () => {
  delete process.env['NODE_OPTIONS']
  delete process.env['CLOCK_SET_FILE']
  await up.end()
})

test('a gateway that starts in 1970 sends what it recorded then with the right time, once its clock is set', async () => {
  const setFile = join(up.folder, 'clock-is-set')
  const fromMs = Date.now()
  process.env['CLOCK_SET_FILE'] = setFile
  process.env['NODE_OPTIONS'] = `--import ${PRELOAD}`
  await up.start()
  delete process.env['NODE_OPTIONS']
  await until('some records are buffered, and none was sent', async () => {
    const [source] = (await up.status()).edge.sources
    return source && source.read >= 10 && source.settled === 0
  })
  writeFileSync(setFile, '')
  await up.drained(40)
  const follow = up.follow('tail', 's', '-n', '40', '--json')
  const lines = await until('all of them', () => {
    const all = linesOf(
      follow
        .lines()
        .map(line => JSON.stringify(line))
        .join('\n')
        .concat('\n'),
    )
    return all.length === 40 && all
  })
  const clocks = lines.map(line => (line as unknown as { headers?: { clock?: string } }).headers?.clock)
  expect(clocks.slice(0, 10).every(clock => clock?.startsWith('corrected:'))).toBe(true)
  for (const [index, { time_ms }] of lines.entries()) {
    expect(time_ms).toBeGreaterThanOrEqual(fromMs)
    expect(time_ms).toBeLessThanOrEqual(Date.now())
    expect(time_ms).toBeGreaterThanOrEqual((lines[index - 1]?.time_ms ?? 0) - 1_000)
  }
})
