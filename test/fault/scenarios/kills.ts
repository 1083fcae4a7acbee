import { defineScenario } from '../scenario.ts'

export const edgeKilled = defineScenario({
  id: 'edge-killed',
  title: 'the gateway is killed again and again, while it inserts, sends and settles',
  seconds: 25,
  async strike({ plant, random, step, moves, lasts }) {
    for (let kill = 1; kill <= 6; kill++) {
      await moves(10)
      await lasts(random.between(0, 400))
      await step(`kill -9 of the edge, ${kill}`, () => plant.restartEdge())
    }
    await moves()
  },
})

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
