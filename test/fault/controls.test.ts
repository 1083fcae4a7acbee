import { describe, expect, inject, test } from 'vitest'
import { seedOfRun } from '../support/random.ts'
import { type Broken, without } from './broken/broken.ts'
import { isProven, runScenario } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'
import { runnerKilledOnce } from './scenarios/jobs.ts'
import { databaseLost, powerCutOnce } from './scenarios/losses.ts'

/*
  What the checker is worth: the same schedules, on an installation in which one protection is switched off. Each meets the fault every time. A run of
  all tests takes one of them, by the seed; `HEADRACE_FAULTS=all` takes all. Rules that need no process of their own are in test/live/rules.test.ts.
*/

const LIMIT_MS = 240_000
const seed = seedOfRun('negative controls')

/** Whether all is as it should be afterwards: nothing is wrong in the log, and nobody was needed. */
async function holds(scenario: Scenario): Promise<boolean> {
  try {
    const proof = await runScenario(scenario, inject('kafkaBootstrap'), seed)
    return proof !== undefined && isProven(proof, scenario.gaps)
  } catch (error) {
    // Before the fault all has to go well: otherwise nothing would be shown.
    const isAfterwards = /in vain: (the reader has|\d+ more records|the gateway knows)/.test(String(error))
    if (!isAfterwards) throw error
    return false
  }
}

/** The same scenario with processes that lack this protection. */
function broken(scenario: Scenario, role: 'edge' | 'core', protection: Broken): Scenario {
  const { plant } = scenario
  const changes = { [role]: without(protection) }
  return {
    ...scenario,
    id: `no-${protection}`,
    restLimitMs: 30_000,
    moveLimitMs: 45_000,
    plant: typeof plant === 'function' ? async setting => ({ ...(await plant(setting)), ...changes }) : { ...plant, ...changes },
  }
}

const CONTROLS = [
  ['offset after exit 0', runnerKilledOnce, 'core', 'offset'],
  ['fsync', powerCutOnce, 'edge', 'fsync'],
  ['high-water mark', databaseLost, 'edge', 'marks'],
] as const

const able = CONTROLS.filter(([, { needsRoot }]) => process.getuid?.() === 0 || !needsRoot)
const one = able[seed % able.length]
const chosen = process.env['HEADRACE_FAULTS'] === 'all' || !one ? able : [one]

describe('negative controls: without a protection the same schedule does not hold', () => {
  test.each(chosen)(
    '%s',
    async (_name, scenario, role, protection) => {
      expect(await holds(broken(scenario, role, protection))).toBe(false)
    },
    LIMIT_MS,
  )
})
