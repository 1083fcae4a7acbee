import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { until } from '../../support/until.ts'
import { defineScenario, type Stage } from '../scenario.ts'

/** The core is killed after the command has read everything, and before it has ended. */
async function killWhileHeld(stage: Stage): Promise<void> {
  const { plant, step, moves } = stage
  await moves()
  writeFileSync(plant.path('out/hold'), '')
  const running = plant.command('batch', 'run', 'copy')
  await until('the command has read all', () => existsSync(plant.path('out/waits')))
  // The command has to go with it: what it leaves half done must not become whole behind everybody's back.
  await step('kill -9 of the core, before the output is whole', () => plant.cores[0]?.kill9())
  await running
  const [part] = plant.list('out').filter(name => name.endsWith('.part'))
  if (part !== undefined) process.kill(Number(part.split('.').at(-2)), 'SIGKILL')
  for (const name of ['hold', 'waits', ...plant.list('out').filter(each => each.endsWith('.part'))])
    rmSync(plant.path(`out/${name}`), { force: true })
  await startAgain(stage)
}

async function startAgain({ plant }: Stage): Promise<void> {
  plant.cores[0]?.start()
  await until('the core is there', () => plant.coreStatus(), 60_000)
}

export const runnerKilledOnce = defineScenario({
  id: 'runner-killed-once',
  title: 'the core is killed while a batch job runs',
  seconds: 25,
  strike: killWhileHeld,
})

export const runnerKilled = defineScenario({
  id: 'runner-killed',
  title: 'the core is killed while a batch job runs: before its output is there, after it, and anywhere around its end',
  seconds: 45,
  plant: { counted: 1_500 },
  async strike(stage) {
    const { plant, random, step, moves, lasts } = stage
    for (let kill = 1; kill <= 2; kill++) {
      await killWhileHeld(stage)
      expect((await plant.command('batch', 'run', 'copy')).code).toBe(0)
    }
    for (let kill = 1; kill <= 5; kill++) {
      await moves()
      const running = plant.command('batch', 'run', 'copy')
      // From before the command starts until after its run is kept: all of it within a second.
      await lasts(random.between(200, 900))
      await step(`kill -9 of the core, somewhere in a run, ${kill}`, () => plant.cores[0]?.kill9())
      await running
      await startAgain(stage)
    }
    expect((await plant.command('batch', 'run', 'copy')).code).toBe(0)
  },
})
