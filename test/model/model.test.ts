import { describe, expect, test } from 'vitest'
import { search } from './checker.ts'
import { BROKEN, REAL, SEARCHED } from './rules.ts'
import { initial } from './state.ts'

/** Records that the device gives: two may be on their way at once. */
const RECORDS = 2
const STATES_MAX = 50_000

describe('the rules hold in every state that can be reached', () => {
  test.each(SEARCHED.map(faults => [JSON.stringify(faults), faults] as const))('with faults %s', (_name, faults) => {
    const { broken, whole, states, depth } = search(initial(RECORDS, faults), REAL, STATES_MAX)
    expect(broken && `${broken.what}\n${broken.schedule.join('\n')}`).toBeUndefined()
    expect(whole).toBe(true)
    expect(states).toBeGreaterThan(30)
    expect(depth).toBeGreaterThan(10)
  })
})

describe('negative controls: the search finds what breaks where a rule is switched off', () => {
  test.each(Object.entries(BROKEN))('%s', (_name, { rules, faults }) => {
    const { broken } = search(initial(RECORDS, faults), rules, STATES_MAX)
    expect(broken?.what).toBeDefined()
    expect(broken?.schedule.length).toBeGreaterThan(3)
  })
})
