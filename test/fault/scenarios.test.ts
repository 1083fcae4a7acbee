import { describe, expect, inject, test } from 'vitest'
import { seedOfRun } from '../support/random.ts'
import { isProven, runScenario } from './run-scenario.ts'
import { SCENARIOS } from './scenarios/list.ts'
import { chooseScenarios } from './selection.ts'

/** The longest of them, with room for a machine that does other things. */
const LIMIT_MS = 480_000

const seed = seedOfRun('faults')
const isRoot = process.getuid?.() === 0
const able = SCENARIOS.filter(({ needsRoot }) => isRoot || !needsRoot)
if (able.length < SCENARIOS.length) console.log(`not root: ${SCENARIOS.length - able.length} scenarios cannot be run`)
const chosen = chooseScenarios(able, process.env['HEADRACE_FAULTS'], seed)
console.log(`faults chosen (HEADRACE_FAULTS=all, or names, for others): ${chosen.map(({ id }) => id).join(' ')}`)

describe('nothing is lost, nothing comes twice, nothing out of order', () => {
  test.each(chosen.map(scenario => [scenario.title, scenario] as const))(
    '%s',
    async (_title, scenario) => {
      const proof = await runScenario(scenario, inject('kafkaBootstrap'), seed).catch(error => {
        console.log(`${scenario.id}: ${error}`)
        throw error
      })
      if (proof) expect(isProven(proof, scenario.gaps), JSON.stringify(proof, null, 1)).toBe(true)
    },
    LIMIT_MS,
  )
})
