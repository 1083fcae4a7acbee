import { afterEach, beforeEach, expect, test } from 'vitest'
import { batchCalls } from '../../src/cli/batch-calls.ts'
import { BatchScheduler } from '../../src/reader/batch/scheduler.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { JobWorld } from '../reader/job-world.ts'

let world: JobWorld
beforeEach(async () => {
  world = await new JobWorld().open()
})
afterEach(() => world.close())

test('a run of a job that reads no source says so: "nothing new" is said of one that has read all there is', async () => {
  const { log, ledger } = world
  await world.lay('a', ['one'])
  const jobs = [world.job(), world.job({ sources: ['b'] }, { name: 'plant.none' })]
  const scheduler = new BatchScheduler({ jobs, log, ledger, clock: systemClock, logger: silentLogger })
  const calls = batchCalls(scheduler, ledger, log)
  expect(await calls['batch.run']({ job: 'none' })).toEqual({ outcome: 'empty', sources: 0 })
  expect(await calls['batch.run']({ job: 'load' })).toMatchObject({ outcome: 'done' })
  expect(await calls['batch.run']({ job: 'load' })).toEqual({ outcome: 'empty', sources: 1 })
  await scheduler.stop()
})
