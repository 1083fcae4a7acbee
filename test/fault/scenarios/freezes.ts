import { defineScenario } from '../scenario.ts'

/** Longer than every time-out there is but those of people. */
const LONG_MS = 35_000
const SHORT_MS = { min: 6_000, max: 9_000 }

export const processesFrozen = defineScenario({
  id: 'processes-frozen',
  title: 'gateway and cores are frozen, some for longer than every time-out, and woken with what they held',
  seconds: 95,
  fullOnly: true,
  plant: { cores: 2, counted: 2_000 },
  async strike({ plant, random, step, moves, lasts }) {
    const [first, second] = plant.cores
    if (!first || !second) throw new Error('there are two cores')
    for (const core of [first, second]) {
      await moves()
      await step(`${core.name} is frozen`, () => core.freeze())
      await moves()
      await lasts(random.between(SHORT_MS.min, SHORT_MS.max))
      await step(`${core.name} is woken`, () => core.wake())
    }
    await moves()
    await step('the gateway is frozen', () => plant.edge.freeze())
    await lasts(LONG_MS)
    await step('the gateway is woken', () => plant.edge.wake())
    await moves()
    await step('all are frozen', () => {
      for (const process of [plant.edge, first, second]) process.freeze()
    })
    await lasts(random.between(SHORT_MS.min, SHORT_MS.max))
    await step('all are woken', () => {
      for (const process of [second, plant.edge, first]) process.wake()
    })
    await moves()
  },
})
