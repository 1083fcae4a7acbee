import { describe, expect, test } from 'vitest'
import { BUGS, KEEPS_ITS_PROOFS } from './bugs.ts'
import { failureOf } from './failure.ts'
import type { Parts } from './plant.ts'
import { run } from './run.ts'
import { drawSchedule, type Event, type Schedule, scheduleText } from './schedule.ts'
import { shrink } from './shrink.ts'

/** So many schedules may pass before a bug has to be found. */
const SCHEDULES_MAX = 300
/** Where the search begins for those that few schedules meet: the schedules before find nothing, and take their time. */
const FIRST_SEEDS: Readonly<Record<string, number>> = {
  'forgets what came back': 140,
  'gives to all what it looked for one': 35,
  'says nothing of what gave way': 65,
  'takes a topic as it is set': 22,
  'does not keep what the opening said': 22,
  'takes a batch for the log as stored though the log never answered': 84,
  'gives up a batch that the log refused once': 148,
  'passes on what it has not checked': 81,
}

describe('negative controls: the simulation finds', () => {
  test.each(Object.entries(BUGS))('a plant that %s', async (name, parts) => {
    const first = FIRST_SEEDS[name] ?? 1
    for (let seed = first; seed < first + SCHEDULES_MAX; seed++) {
      const { findings } = await run(drawSchedule(seed), parts)
      if (findings.length > 0) return
    }
    expect.fail(`not found in ${SCHEDULES_MAX} schedules`)
  })
})

/** Few drawn schedules meet this: a core is stopped with a batch before it, and wakes when another has stored it and the leader knows nothing of its producer. */
describe('a core that wakes late where the leader has forgotten the producer', () => {
  const records: Event = { what: 'records', source: 'source-1', count: 1, bytes: 20 }
  const pass = (ms: number): Event => ({ what: 'time passes', ms })
  const schedule: Schedule = {
    seed: 1,
    quotaBytes: 8 * 2 ** 20,
    rewindBytes: 4_096,
    durabilityMs: 0,
    events: [
      ...[records, pass(100), { what: 'core frozen', core: 'core-1' } as const, records, pass(10)],
      ...[{ what: 'connections cut' } as const, pass(2_000), { what: 'producers forgotten' } as const, pass(6_000)],
    ],
  }

  test('does no harm: what it knows of the end is too old', async () => {
    expect((await run(schedule)).findings).toEqual([])
  })

  test('stores the batch once more where it keeps its proofs', async () => {
    expect((await run(schedule, KEEPS_ITS_PROOFS)).findings).toContain('source-1: offset 2 holds number 1')
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

test('a seed that failed was said only when it was made small, and was lost where the run was ended before', async () => {
  let opened = 0
  const parts: Parts = {
    ...BUGS['has six batches on their way'],
    store: store => {
      opened += 1
      return store
    },
  }
  const said: { readonly text: string; readonly opened: number }[] = []
  let failure: string | undefined
  let seed = 1
  for (; failure === undefined; seed++) failure = await failureOf(seed, text => said.push({ text, opened }), parts)
  expect(said.map(({ text }) => text)).toEqual([expect.stringContaining(`seed ${seed - 1} failed`)])
  // Each of the many attempts opens stores of its own.
  expect(opened - (said[0]?.opened ?? 0)).toBeGreaterThan(10)
  expect(failure).toContain('on their way')
})
