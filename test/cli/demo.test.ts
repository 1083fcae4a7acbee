import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allArrived, summaryText } from '../../scripts/demo/summary.ts'
import { until } from '../support/until.ts'

const DEMO = new URL('../../scripts/demo.ts', import.meta.url).pathname

/** Runs the demonstration, and ends it with SIGINT where it does not end by itself. */
function demo(state: string, ...args: string[]) {
  const child = spawn(process.execPath, [DEMO, '--state', state, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const run = { child, text: '', code: undefined as number | null | undefined }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (run.text += chunk))
  child.on('close', code => (run.code = code))
  return run
}

/** Records of all devices in the log, as the console that it prints the address of says. */
async function recordsOf(url: string): Promise<number> {
  const { sources } = (await (await fetch(`${url}/api/core/status`)).json()) as { sources: { next: number }[] }
  return sources.reduce((sum, { next }) => sum + next, 0)
}

test('the demonstration runs the whole pipeline, ends by itself, and goes on where it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-demo-'))
  const state = join(folder, 'state')
  const first = demo(state, '--for', '12s')
  await until('it has ended', () => first.code !== undefined, 40_000)
  expect(first.text).toContain('Every record that was read is in the log.')
  expect(first.text).toMatch(/alert oil-too-hot raised for compressor/)
  expect(first.text).toMatch(/batch plant\.to-file: \d+ records from 3 sources/)
  expect(readdirSync(join(state, 'batches')).filter(file => file.endsWith('.ndjson')).length).toBeGreaterThan(0)
  expect(existsSync(join(state, 'alerts.ndjson'))).toBe(true)
  expect(first.code).toBe(0)

  const second = demo(state)
  await until('it runs', () => /buffered, offset [1-9]/.test(second.text), 20_000)
  expect(second.text).toMatch(/going on after \d+ records/)
  const [, url = ''] = /See it flow: (http:\S+)/.exec(second.text) ?? []
  expect((await fetch(url)).headers.get('content-type')).toMatch(/^text\/html/)
  const before = await recordsOf(url)
  await until('its console shows how the data moves', async () => (await recordsOf(url)) > before)
  second.child.kill('SIGINT')
  await until('it has ended', () => second.code !== undefined, 10_000)
  expect(second.code).toBe(0)
  rmSync(folder, { recursive: true, force: true })
}, 90_000)

test('one record that did not arrive, or a source that said nothing, is a failure', () => {
  const source = { source: 'gps', read: 10, arrived: 10, droppedByBuffer: 0 }
  const of = (...sources: (typeof source)[]) => ({ sources, runs: 1, recordsInRuns: 10, alerts: 0, interrupted: false })
  expect(allArrived(of(source))).toBe(true)
  expect(allArrived(of(source, { ...source, arrived: 9 }))).toBe(false)
  expect(summaryText(of({ ...source, arrived: 9 }))).toContain('gps: 10 read, but 9 arrived.')
  expect(allArrived(of({ ...source, read: 0, arrived: 0 }))).toBe(false)
  expect(allArrived({ ...of({ ...source, read: 0, arrived: 0 }), interrupted: true })).toBe(true)
  expect(allArrived({ ...of({ ...source, arrived: 9 }), interrupted: true })).toBe(false)
  expect(allArrived(of())).toBe(false)
})
