import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { SeededRandom } from '../../support/random.ts'
import { until } from '../../support/until.ts'
import type { Plant } from '../plant.ts'
import { defineScenario } from '../scenario.ts'

const PAGE_BYTES = 4_096

/** Turns bits over in some places of a file, behind its first pages. */
function damage(path: string, random: SeededRandom, places: number): void {
  const size = statSync(path).size
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  for (let place = 0; place < places; place++) {
    const at = random.between(Math.min(size - 1, 2 * PAGE_BYTES), size)
    readSync(file, byte, 0, 1, at)
    writeSync(file, Buffer.from([~(byte[0] ?? 0) & 255]), 0, 1, at)
  }
  closeSync(file)
}

export const databaseDamaged = defineScenario({
  id: 'database-damaged',
  title: "pages of the gateway's database are damaged, with a backlog in it: what cannot be read is declared, the rest arrives",
  seconds: 40,
  gaps: 'declared',
  plant: { counted: 4_000 },
  async strike({ plant, random, step, moves, lasts }) {
    const [core] = plant.cores
    const path = join(plant.edgeState, 'edge', 'buffer.db')
    await moves(50)
    await core?.kill9()
    await lasts(2_500)
    await step('the gateway ends, and some pages are damaged', () =>
      plant.restartEdge(
        () => plant.edge.stop(),
        () => damage(path, random, 12),
      ),
    )
    core?.start()
    await moves()
  },
})

async function alarmed(plant: Plant, code: string): Promise<boolean> {
  const alarms = ((await plant.edgeStatus())?.alarms ?? []) as readonly { code: string }[]
  return alarms.some(alarm => alarm.code === code)
}

export const filesReadOnly = defineScenario({
  id: 'files-read-only',
  title: 'single files of the gateway cannot be written: said by name, and over by itself when they can be',
  seconds: 35,
  fullOnly: true,
  needsRoot: true,
  async strike({ plant, step, moves }) {
    const file = (name: string) => join(plant.edgeState, 'edge', name)
    const immutable = (name: string, sign: '+' | '-') => execFileSync('chattr', [`${sign}i`, file(name)])
    await moves()
    try {
      await step('the marks cannot be written while it runs', () => immutable('marks.json', '+'))
      await until('a person is told', () => alarmed(plant, 'disk_unusable'), 60_000)
      expect(await alarmed(plant, 'disk_full')).toBe(false)
    } finally {
      immutable('marks.json', '-')
    }
    await until('it is over', async () => !(await alarmed(plant, 'disk_unusable')))
    await moves()
    for (const name of ['buffer.db', 'lock.db']) {
      await plant.restartEdge(
        async () => {
          await plant.edge.kill9()
          try {
            immutable(name, '+')
            await step(`${name} cannot be written when it starts`, () => plant.edge.start())
            await until(
              'it ends, or runs without it',
              async () => !plant.edge.running || (await plant.edgeStatus()) !== undefined,
            )
            const said = readFileSync(plant.edge.logPath, 'utf8').split('\n').slice(-8).join('\n')
            expect(said).not.toMatch(/damaged|\n\s+at /)
          } finally {
            await plant.edge.kill9()
            immutable(name, '-')
          }
        },
        () => step('it can'),
      )
      await moves()
    }
  },
})
