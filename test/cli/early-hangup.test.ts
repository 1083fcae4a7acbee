import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EarlyHangup, PipelineReload } from '../../src/cli/pipeline-reload.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

test.each([
  ['a SIGHUP while it started', 1],
  ['none', 0],
])('after %s the files are read anew %i times, and nobody is left listening', async (what, times) => {
  const before = process.listenerCount('SIGHUP')
  const early = new EarlyHangup()
  if (what !== 'none') process.emit('SIGHUP')
  let reloads = 0
  const reloadable = { files: () => [], reload: async () => reloads++, refused: () => {} }
  const reload = new PipelineReload(reloadable, new SimulatedClock(), silentLogger, early)
  await new Promise(resolve => setImmediate(resolve))
  expect(reloads).toBe(times)
  await reload.end()
  expect(process.listenerCount('SIGHUP')).toBe(before)
})

test('a file that was changed between its first load and the end of the start is read anew: it was noticed at its next change only', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-early-'))
  const file = join(folder, 'pump.yaml')
  writeFileSync(file, 'as it was loaded')
  const early = new EarlyHangup()
  early.loaded([file])
  writeFileSync(file, 'as it was changed while the process started')
  let reloads = 0
  const clock = new SimulatedClock()
  const reloadable = { files: () => [file], reload: async () => reloads++, refused: () => {} }
  const reload = new PipelineReload(reloadable, clock, silentLogger, early)
  await clock.pass(5_000)
  expect(reloads).toBe(1)
  await reload.end()
  rmSync(folder, { recursive: true })
})
