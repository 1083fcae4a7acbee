import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { batchCalls } from '../../src/cli/batch-calls.ts'
import { createJob, jobPlans } from '../../src/cli/readers.ts'
import { loadPipelines } from '../../src/config/load.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { JobWorld } from './job-world.ts'

let world: JobWorld
beforeEach(async () => {
  world = await new JobWorld().open()
})
afterEach(() => world.close())

test('a job is named without its pipeline only where one has it: a reset must not move the wrong one', async () => {
  const files = ['north', 'south'].map(name => world.path(`${name}.yaml`))
  const extra = ['', '  clear: { run: [cat] }\n']
  for (const [index, name] of ['north', 'south'].entries())
    writeFileSync(files[index] ?? '', `pipeline: ${name}\nbatch:\n  load: { run: [cat] }\n${extra[index]}`)
  const { log, ledger, alarms } = world
  const deps = { log, ledger, alarms, clock: systemClock, random: () => 0, logger: silentLogger }
  const jobs = jobPlans(loadPipelines(files)).map(plan =>
    createJob(plan, { ...deps, name: 'core', stateDir: world.path('state') }),
  )
  const calls = batchCalls(new BatchScheduler({ ...deps, jobs }), ledger, log)
  expect(await calls['batch.offsets']({ job: 'south.load' })).toEqual([])
  expect(await calls['batch.offsets']({ job: 'clear' })).toEqual([])
  const asked = {
    code: 'config_invalid',
    message: 'several pipelines have a batch job "load"',
    advice: 'Write north.load or south.load.',
  }
  await expect(calls['batch.offsets']({ job: 'load' })).rejects.toMatchObject(asked)
  expect(() => calls['batch.reset']({ job: 'load', to: 'end' })).toThrow(asked.message)
})
