import { describe, expect, test } from 'vitest'
import { seedOfRun } from '../support/random.ts'
import { FAILED_ONCE } from './failed-once.ts'
import { failureOf } from './failure.ts'
import { run } from './run.ts'
import { drawSchedule } from './schedule.ts'

/** A part of a run; `npm run simulate -- --for 10m` runs as many as there is time for. */
const SCHEDULES = 150
const AT_ONCE = 25

async function check(seed: number): Promise<void> {
  const failure = await failureOf(seed, text => console.log(text))
  if (failure !== undefined) expect.fail(`seed ${seed}: ${failure}`)
}

describe('what failed once', () => {
  test.each(FAILED_ONCE.map(({ what, schedule }) => [what, schedule] as const))('%s', async (_what, schedule) => {
    expect((await run(schedule)).findings).toEqual([])
  })
})

describe('gateway, cores and log under faults at every step', () => {
  const first = seedOfRun('simulation')
  const parts = Array.from({ length: SCHEDULES / AT_ONCE }, (_, part) => first + part * AT_ONCE)
  test.each(parts)(
    `${AT_ONCE} schedules from seed %i on: nothing lost, nothing twice, in order, and all of it arrives`,
    async from => {
      for (let seed = from; seed < from + AT_ONCE; seed++) await check(seed)
    },
  )
})

test('the same seed gives the same run', async () => {
  const traces = [[], []] as string[][]
  for (const trace of traces) {
    await run(drawSchedule(7), {
      store: store => ({
        ...store,
        commit: commit => {
          trace.push(commit.steps.map(({ kind }) => kind).join())
          return store.commit(commit)
        },
      }),
    })
  }
  expect(traces[0]?.length).toBeGreaterThan(5)
  expect(traces[1]).toEqual(traces[0])
})
