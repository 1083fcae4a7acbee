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
