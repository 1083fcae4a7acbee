import { SeededRandom } from '../support/random.ts'
import type { Scenario } from './scenario.ts'

/** What a run of all tests may spend on these, on two quiet cores, s; a negative control takes half a minute more. */
const SECONDS_MAX = 60

/**
 * Which scenarios a run takes: those named (`asked`, names with spaces between), all of them (`all`), or else as many as fit into the time, by the
 * seed: over some runs everything has its turn.
 */
export function chooseScenarios(scenarios: readonly Scenario[], asked: string | undefined, seed: number): Scenario[] {
  if (asked === 'all') return [...scenarios]
  if (asked !== undefined) {
    const names = asked.split(' ')
    const unknown = names.filter(name => !scenarios.some(({ id }) => id === name))
    if (unknown.length > 0) throw new Error(`no scenario is called ${unknown.join(', ')}`)
    return scenarios.filter(({ id }) => names.includes(id))
  }
  const random = new SeededRandom(seed)
  const drawn = scenarios
    .filter(({ fullOnly }) => !fullOnly)
    .map(scenario => ({ scenario, lot: random.next() }))
    .sort((a, b) => a.lot - b.lot)
  let left = SECONDS_MAX
  return drawn.flatMap(({ scenario }) => {
    if (scenario.seconds > left) return []
    left -= scenario.seconds
    return [scenario]
  })
}
