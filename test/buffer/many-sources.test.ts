import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SourceSettings } from '../../src/buffer/buffer.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, GATEWAY, outletOf, put } from './harness.ts'

const SOURCES = 200
const NAMES = Array.from({ length: SOURCES }, (_, index) => `source-${index}`)

test('places that one opening tells of many sources, and freezes, are written at once: for each of them the marks of all were written, and the disk synced twice', async () => {
  const bench = new Bench()
  const disk = { commits: 0, refuses: false }
  const sources = Object.fromEntries(NAMES.map(name => [name, {}]))
  const openStore: typeof openInlineStore = options => {
    const store = openInlineStore(options)
    const commit: typeof store.commit = async what => {
      disk.commits += 1
      if (disk.refuses) throw new Error('the disk is away')
      return store.commit(what)
    }
    return { ...store, commit }
  }
  const buffer = await bench.open({ sources, openStore })
  const assignAll = () =>
    Promise.allSettled(NAMES.map((name, partition) => outletOf(buffer, name).assign({ ...ASSIGNMENT, partition })))
  disk.refuses = true
  expect((await assignAll()).every(({ status }) => status === 'rejected')).toBe(true)
  expect(NAMES.every(name => outletOf(buffer, name).assignment === undefined)).toBe(true)
  disk.refuses = false
  disk.commits = 0
  expect((await assignAll()).every(({ status }) => status === 'fulfilled')).toBe(true)
  // The rows, and then the marks: a source is in the database before the marks know it.
  expect(disk.commits).toBe(2)
  disk.commits = 0
  const why = { code: 'other_log', message: 'Another log than last time.', advice: 'Adopt it.' }
  await Promise.all(NAMES.slice(1).map(name => outletOf(buffer, name).freeze(why)))
  expect(disk.commits).toBe(1)
  const after = bench.cut()
  const again = await after.open({ sources })
  for (const [partition, name] of NAMES.entries()) expect(outletOf(again, name).assignment).toEqual({ ...ASSIGNMENT, partition })
  expect(NAMES.map(name => outletOf(again, name).frozen?.code)).toEqual([undefined, ...NAMES.slice(1).map(() => why.code)])
  await after.end()
  await bench.end()
})

test('a record of a source does not make the buffer look at all other sources that wait for the same commit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-buffer-'))
  const clock = new SimulatedClock()
  const looks = { count: 0 }
  const sources = NAMES.map(
    (source): SourceSettings => ({
      ...{ source, topic: 'plant', whenFull: 'drop_oldest', priority: 0 },
      get durabilityMs() {
        looks.count += 1
        return 1_000
      },
    }),
  )
  const buffer = await openEdgeBuffer({
    ...{ stateDir: join(folder, 'edge'), gateway: GATEWAY, quotaBytes: 2 ** 26, rewindBytes: 2 ** 24, sources },
    ...{ clock, random: () => 0.5, log: silentLogger, alarms: new Alarms(clock), worker: 'inline' },
  })
  put(buffer, 'source-0', 'what makes the next ones wait')
  await clock.pass(10)
  looks.count = 0
  for (const name of NAMES) put(buffer, name, 'a record')
  expect(looks.count).toBeGreaterThan(0)
  expect(looks.count).toBeLessThanOrEqual(2 * SOURCES)
  await clock.pass(2_000)
  expect(NAMES.every(name => outletOf(buffer, name).buffered().records > 0)).toBe(true)
  await buffer.close()
  rmSync(folder, { recursive: true })
})
