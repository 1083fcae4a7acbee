import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect } from 'vitest'
import { BLOCKS_FILE } from '../../../src/buffer/database-files.ts'
import { headrace } from '../../support/headrace-process.ts'
import type { SeededRandom } from '../../support/random.ts'
import { until } from '../../support/until.ts'
import { IN_FILE } from '../in-file.ts'
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

export const blocksDamaged = defineScenario({
  id: 'blocks-damaged',
  title: 'the file of blocks beside the database is damaged, and then gone, with a backlog in it: the same',
  seconds: 50,
  gaps: 'declared',
  plant: { counted: 4_000, edge: IN_FILE },
  async strike({ plant, random, step, moves, lasts }) {
    const [core] = plant.cores
    const path = join(plant.edgeState, 'edge', BLOCKS_FILE)
    const harms = [
      ['some pages of it are damaged', () => damage(path, random, 12)],
      ['it is gone', () => rmSync(path)],
    ] as const
    for (const [what, harm] of harms) {
      await moves(50)
      await core?.kill9()
      await lasts(2_500)
      await step(`the gateway ends, and ${what}`, () => plant.restartEdge(() => plant.edge.stop(), harm))
      core?.start()
    }
    await moves()
  },
})

/**
 * Every page but the first holds something else. Somebody who wrote to the file before makes whoever has it open forget what he has in memory, and an
 * emptied write-ahead log leaves nothing beside it.
 */
function destroy(path: string): void {
  const other = new Database(path)
  other.exec('UPDATE source SET settled = settled')
  other.pragma('wal_checkpoint(TRUNCATE)')
  other.close()
  const file = openSync(path, 'r+')
  writeSync(file, randomBytes(statSync(path).size - PAGE_BYTES), 0, undefined, PAGE_BYTES)
  closeSync(file)
}

async function alarmed(plant: Plant, code: string): Promise<boolean> {
  const alarms = ((await plant.edgeStatus())?.alarms ?? []) as readonly { code: string }[]
  return alarms.some(alarm => alarm.code === code)
}

export const databaseDamagedRunning = defineScenario({
  id: 'database-damaged-running',
  title:
    "the gateway's database is destroyed while it runs, with a backlog in it: it goes on by itself, and says what is missing",
  seconds: 50,
  fullOnly: true,
  gaps: 'declared',
  plant: { counted: 6_000, recordsPerSecond: 300 },
  async strike({ plant, step, moves }) {
    const [core] = plant.cores
    await moves(200)
    await core?.kill9()
    await until('a backlog is on the disk', async () => {
      const sources = (await plant.edgeStatus())?.sources ?? []
      return sources.length > 0 && sources.every(({ buffered }) => buffered.records > 500)
    })
    await step('every page of it is destroyed', () => destroy(join(plant.edgeState, 'edge', 'buffer.db')))
    core?.start()
    await until('a person is told', () => alarmed(plant, 'buffer_damaged'), 60_000)
    await moves()
    expect(await alarmed(plant, 'disk_full')).toBe(false)
  },
})

const WAL_HARMS: readonly (readonly [string, (wal: string, random: SeededRandom) => void])[] = [
  ['removed', wal => rmSync(wal)],
  ['cut in half', wal => truncateSync(wal, Math.floor(statSync(wal).size / 2))],
  ['damaged', (wal, random) => damage(wal, random, 40)],
]

export const walDamaged = defineScenario({
  id: 'wal-damaged',
  title:
    "the gateway's write-ahead log is removed, cut, damaged after a kill -9: what was sent does not come twice, and where the log is ahead a person resumes",
  seconds: 60,
  fullOnly: true,
  gaps: 'declared',
  // What was not sent and lay there alone is gone without a word: the devices rest until everything is settled.
  plant: { counters: 0, devices: 3 },
  async strike({ plant, random, step, moves }) {
    for (const [how, harm] of WAL_HARMS) {
      await moves(100)
      await plant.devices.rest()
      await until('everything is settled', async () => {
        const sources = (await plant.edgeStatus())?.sources ?? []
        return sources.length > 0 && sources.every(({ settled, next, buffered }) => settled === next && buffered.records === 0)
      })
      await step(`kill -9, and its write-ahead log is ${how}`, () =>
        plant.restartEdge(
          () => plant.edge.kill9(),
          () => harm(join(plant.edgeState, 'edge', 'buffer.db-wal'), random),
        ),
      )
      await until('the core was heard', async () => (await plant.edgeStatus())?.link.state === 'sending', 60_000)
      await plant.devices.go()
      await until(
        'a person has resumed each source that was frozen',
        async () => {
          const status = await plant.edgeStatus()
          const frozen = status?.sources.filter(({ state }) => state === 'frozen') ?? []
          for (const { source } of frozen) await headrace(['source', 'resume', source, '--state', plant.edgeState])
          return status?.link.state === 'sending' && frozen.length === 0
        },
        90_000,
      )
    }
    await moves()
  },
})

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
