import { describe, expect, test } from 'vitest'
import { BUGS } from './bugs.ts'
import { run } from './run.ts'
import { drawSchedule, scheduleText } from './schedule.ts'
import { shrink } from './shrink.ts'

/** So many schedules may pass before a bug has to be found. */
const SCHEDULES_MAX = 300
/** Where the search begins for a bug that few schedules meet, so that it does not take minutes: found from 1 on by searching on. */
const FIRST_SEED: Readonly<Record<string, number>> = { 'forgets what came back': 600 }

describe('negative controls: the simulation finds', () => {
  test.each(Object.entries(BUGS))('a plant that %s', async (name, parts) => {
    const first = FIRST_SEED[name] ?? 1
    for (let seed = first; seed < first + SCHEDULES_MAX; seed++) {
      const { findings } = await run(drawSchedule(seed), parts)
      if (findings.length > 0) return
    }
    expect.fail(`not found in ${SCHEDULES_MAX} schedules`)
  })
})

test('a schedule that fails is made as small as it can be', async () => {
  const parts = BUGS['has six batches on their way'] ?? {}
  let schedule = drawSchedule(6)
  for (let seed = 1; (await run(schedule, parts)).findings.length === 0; seed++) schedule = drawSchedule(seed)
  const smallest = await shrink(schedule, candidate => run(candidate, parts))
  expect((await run(smallest, parts)).findings).not.toEqual([])
  expect(smallest.events.length).toBeLessThan(schedule.events.length)
  for (const at of smallest.events.keys()) {
    const less = { ...smallest, events: smallest.events.toSpliced(at, 1) }
    expect((await run(less, parts)).findings, scheduleText(less)).toEqual([])
  }
})
