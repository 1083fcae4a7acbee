import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { DATABASE_FILES } from '../../../src/buffer/database-files.ts'
import { headrace } from '../../support/headrace-process.ts'
import { until } from '../../support/until.ts'
import { DiskWithPowerCuts } from '../faults/power.ts'
import { IN_FILE } from '../in-file.ts'
import type { ProcessChanges } from '../plant.ts'
import { defineScenario } from '../scenario.ts'

const disks: DiskWithPowerCuts[] = []
const disk = () => {
  const [only] = disks
  if (!only) throw new Error('there is no disk yet')
  return only
}

/** The power is cut so many times. */
const powerCuts = (
  cuts: number,
  { id = 'power-cut', title = '', edge = {} }: { id?: string; title?: string; edge?: ProcessChanges } = {},
) =>
  defineScenario({
    id,
    title: `the gateway loses its power, and what it had not synced${title}`,
    seconds: 30,
    needsRoot: true,
    plant: async () => {
      disks.push(new DiskWithPowerCuts())
      return { edgeState: disk().path, edge }
    },
    cleanUp: () => {
      for (const each of disks.splice(0)) each.remove()
    },
    async strike({ plant, random, step, moves, lasts }) {
      for (let cut = 1; cut <= cuts; cut++) {
        await moves(50)
        await lasts(random.between(0, 400))
        await step(`the power is cut, ${cut}`, () =>
          plant.restartEdge(
            () => plant.edge.kill9(),
            () => disk().cutPower(),
          ),
        )
      }
      await moves()
    },
  })

export const powerCut = powerCuts(3)
export const powerCutOnce = powerCuts(1)
export const powerCutInFile = powerCuts(3, {
  id: 'power-cut-in-file',
  title: ', with its blocks in a file beside the database',
  edge: IN_FILE,
})

/** So long a small buffer may take to be full. */
const FULL_LIMIT_MS = 120_000

export const databaseLost = defineScenario({
  id: 'database-lost',
  title: "the gateway's database is gone: numbers go on at the mark, and what is missing is declared",
  seconds: 35,
  gaps: 'declared',
  // Numbers that were reserved and never given are lost to a counter, which goes by them.
  plant: { counted: 4_000 },
  async strike({ plant, step, moves }) {
    await moves(50)
    await step('kill -9, and the database is deleted', () =>
      plant.restartEdge(
        () => plant.edge.kill9(),
        () => {
          for (const name of DATABASE_FILES) rmSync(join(plant.edgeState, 'edge', name), { force: true })
        },
      ),
    )
    await moves()
  },
})

export const bufferRestored = defineScenario({
  id: 'buffer-restored',
  title:
    'the buffer is restored from a copy that had a backlog: frozen, and what the log has does not come twice when a person resumes it',
  seconds: 45,
  gaps: 'declared',
  plant: { counters: 0, devices: 3 },
  async strike({ plant, step, moves, lasts }) {
    const [core] = plant.cores
    const copy = plant.path('backup')
    await moves(50)
    await core?.kill9()
    await lasts(2_500)
    await step('a copy is made, with a backlog in it', () =>
      plant.restartEdge(
        () => plant.edge.stop(),
        () => cpSync(plant.edgeState, copy, { recursive: true }),
      ),
    )
    core?.start()
    await moves(200)
    await step('the copy is put in its place', () =>
      plant.restartEdge(
        () => plant.edge.stop(),
        () => {
          rmSync(plant.edgeState, { recursive: true })
          cpSync(copy, plant.edgeState, { recursive: true })
        },
      ),
    )
    const frozen = await until(
      'each source is frozen',
      async () => {
        const status = await plant.edgeStatus()
        return status?.sources.every(({ state }) => state === 'frozen') && status
      },
      60_000,
    )
    for (const { advice } of frozen.alarms as readonly { advice: string }[]) expect(advice).toContain('headrace source resume')
    await step('a person resumes each', async () => {
      for (const { source } of frozen.sources) {
        const { code, stdout, stderr } = await headrace(['source', 'resume', source, '--state', plant.edgeState])
        expect([code, stdout + stderr]).toEqual([0, expect.anything()])
      }
    })
    expect(existsSync(join(plant.edgeState, 'edge', 'set-aside'))).toBe(true)
    await moves()
  },
})

export const bufferOverflows = defineScenario({
  id: 'buffer-overflows',
  title: 'the core is away until the buffer of the gateway is full: what gives way is declared, exactly, and the rest arrives',
  seconds: 80,
  fullOnly: true,
  gaps: 'declared exactly',
  plant: {
    // What gives way has no number: a counter would never come to its last one.
    counters: 0,
    devices: 2,
    recordsPerSecond: 1_000,
    edgeYaml: 'buffer: { quota: 1MiB, rewind: 64KiB }\n',
    sourceYaml: '    buffer: { when_full: drop_oldest }\n',
  },
  async strike({ plant, step, moves, lasts }) {
    const [core] = plant.cores
    await moves(200)
    await step('the core is killed, and what is read gathers', () => core?.kill9())
    await until(
      'records give way',
      async () => (await plant.edgeStatus())?.sources.every(({ dropped }) => dropped > 0),
      FULL_LIMIT_MS,
    )
    await lasts(3_000)
    await step('the core is back', () => core?.start())
    await moves(500)
  },
  judge(_stage, { log }) {
    expect(log.declaredLost).toBeGreaterThan(0)
  },
})
