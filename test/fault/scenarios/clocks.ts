import { WrongClock } from '../faults/clocks.ts'
import { defineScenario } from '../scenario.ts'

const HOUR_MS = 3_600_000
const TEN_YEARS_MS = 3_652 * 24 * HOUR_MS

/** The order is left to chance. */
const SHIFTS = [
  ['ten years back', -TEN_YEARS_MS],
  ['ten years ahead', TEN_YEARS_MS],
  ['an hour back', -HOUR_MS],
  ['an hour ahead', HOUR_MS],
] as const

const clocks = { edge: new WrongClock(), core: new WrongClock() }

export const clocksWrong = defineScenario({
  id: 'clocks-wrong',
  title: 'the clocks of gateway and core are set ten years and an hour back and ahead, each by itself',
  seconds: 45,
  fullOnly: true,
  plant: { edge: clocks.edge.changes, core: clocks.core.changes },
  async strike({ plant, random, step, moves }) {
    const order = SHIFTS.map(shift => ({ shift, lot: random.next() })).sort((a, b) => a.lot - b.lot)
    const strikeWith = async (shift: (typeof SHIFTS)[number]) => {
      const [what, shiftMs] = shift
      await moves()
      await step(`the gateway's clock is ${what}`, () =>
        plant.restartEdge(
          () => plant.edge.kill9(),
          () => clocks.edge.set(shiftMs),
        ),
      )
      await moves()
      await step(`the core's clock is ${what}`, async () => {
        clocks.core.set(shiftMs)
        await plant.cores[0]?.kill9()
        plant.cores[0]?.start()
      })
      if ((await plant.command('batch', 'offsets', 'copy')).code === 0) await moves()
    }
    try {
      for (const { shift } of order) await strikeWith(shift)
    } finally {
      for (const clock of [clocks.edge, clocks.core]) clock.set(0)
    }
  },
})
