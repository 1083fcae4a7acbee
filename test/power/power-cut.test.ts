import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BLOCKS_FILE } from '../../src/buffer/database-files.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import type { DiskEvent } from './disk-events.ts'
import { prove } from './prove.ts'
import { type Recording, record } from './recording.ts'
import { hasStrace } from './strace.ts'

const STATES = 120
const IN_FILE = fileURLToPath(new URL('../support/blocks-in-file.ts', import.meta.url))
const seed = seedOfRun('power cuts')

/** What the same process would have done to its disk without these syncs. */
const LEFT_OUT: Readonly<Record<string, (path: string, folders: ReadonlySet<string>) => boolean>> = {
  "the databases' logs": path => path.endsWith('.db-wal'),
  'small files before they are renamed': path => path.endsWith('.new'),
  'folders in which names change': (path, folders) => folders.has(path),
}

/*
  All that a real process did to its disk, from its first start on, is recorded; then the power is cut wherever it may be, with every kind of loss that
  a disk may have, and the code that opens it at the next start is asked for what was promised.
*/
describe.skipIf(!hasStrace())('the power goes, and what was not synced goes with it', () => {
  let recording: Recording
  beforeAll(async () => {
    recording = await record({ runs: 1, posts: 60 })
  }, 120_000)
  afterAll(() => recording?.end())

  test('what was acknowledged survives, and the log holds nothing that the gateway does not know', async () => {
    const { states, found, stored } = await prove(recording, { states: STATES, random: new SeededRandom(seed) })
    expect(found).toEqual([])
    expect(states).toBeGreaterThan(STATES / 4)
    expect(stored).toBeGreaterThanOrEqual(60)
  })

  describe('with blocks in a file beside the database', () => {
    let inFile: Recording
    beforeAll(async () => {
      inFile = await record({ runs: 1, posts: 150, nodeArgs: ['--import', IN_FILE] })
    }, 120_000)
    afterAll(() => inFile?.end())

    test('what was acknowledged survives there, also in pages that are used again', async () => {
      const { states, found, stored } = await prove(inFile, { states: STATES, random: new SeededRandom(seed) })
      expect(found).toEqual([])
      expect(states).toBeGreaterThan(STATES / 4)
      expect(stored).toBeGreaterThanOrEqual(150)
      const written = inFile.events.flatMap(each =>
        each.kind === 'write' && each.path.endsWith(BLOCKS_FILE) ? [each.offset] : [],
      )
      expect(written.length).toBeGreaterThan(2 * new Set(written).size)
    })

    test('control: it is noticed where the file is not synced', async () => {
      const events = inFile.events.filter(event => event.kind !== 'sync' || !event.path.endsWith(BLOCKS_FILE))
      const { found } = await prove(
        { ...inFile, events },
        { states: 10 * STATES, random: new SeededRandom(seed), untilFound: true },
      )
      expect(found).toHaveLength(1)
    })
  })

  test.each(Object.entries(LEFT_OUT))('control: it is noticed where %s are not synced', async (_, isLeftOut) => {
    const folders = new Set(recording.events.flatMap(each => (each.kind === 'create' && each.isFolder ? [each.path] : [])))
    const isDone = (event: DiskEvent) => event.kind !== 'sync' || !isLeftOut(event.path, folders)
    const without = { ...recording, events: recording.events.filter(isDone) }
    const { found } = await prove(without, { states: 10 * STATES, random: new SeededRandom(seed), untilFound: true })
    expect(found).toHaveLength(1)
  })
})
