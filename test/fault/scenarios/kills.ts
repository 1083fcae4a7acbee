import { IN_FILE } from '../in-file.ts'
import type { ProcessChanges } from '../plant.ts'
import { defineScenario } from '../scenario.ts'

const edgeKills = (id: string, where: string, edge: ProcessChanges) =>
  defineScenario({
    id,
    title: `the gateway is killed again and again, while it inserts, sends and settles${where}`,
    seconds: 25,
    plant: { edge },
    async strike({ plant, random, step, moves, lasts }) {
      for (let kill = 1; kill <= 6; kill++) {
        await moves(10)
        await lasts(random.between(0, 400))
        await step(`kill -9 of the edge, ${kill}`, () => plant.restartEdge())
      }
      await moves()
    },
  })

export const edgeKilled = edgeKills('edge-killed', '', {})
export const edgeKilledInFile = edgeKills('edge-killed-in-file', ', with its blocks in a file beside the database', IN_FILE)

export const coresKilled = defineScenario({
  id: 'cores-killed',
  title: 'each of two cores is killed in turn',
  seconds: 25,
  plant: { cores: 2 },
  async strike({ plant, random, step, moves, lasts }) {
    for (let kill = 1; kill <= 6; kill++) {
      await moves(20)
      const core = random.pick(plant.cores)
      await step(`kill -9 of ${core.name}`, () => core.kill9())
      await lasts(random.between(0, 1_500))
      core.start()
    }
    await moves()
  },
})
