import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { DATABASE_FILE } from '../../src/buffer/database-files.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, noise, outletOf, PLACES, put, takeRecords } from './harness.ts'

const NAMES = Array.from({ length: 40 }, (_, at) => `pump-${at}`)
const ROUNDS = 30
const QUOTA_BYTES = 2 ** 20

describe.each(PLACES)('blocks that lie %s', (_where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench({ ...limits, deletesPerCommit: 3 })
  })
  afterEach(() => bench.end())

  async function open(whenFull: 'drop_newest' | 'drop_oldest', rewindBytes: number): Promise<EdgeBuffer> {
    const sources = Object.fromEntries(NAMES.map(name => [name, { whenFull }]))
    const buffer = await bench.open({ sources, rewindBytes, quotaBytes: QUOTA_BYTES })
    for (const name of NAMES) await outletOf(buffer, name).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    return buffer
  }

  /** A record of each source, on disk and settled; so often. */
  async function goOn(buffer: EdgeBuffer): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of NAMES) put(buffer, name, noise(round))
      await Promise.all(NAMES.map(name => buffer.inlet(name).stored()))
      for (const name of NAMES) {
        const [batch] = await takeRecords(buffer, name, 1)
        if (batch) outletOf(buffer, name).settle(batch.sequence + batch.count)
      }
    }
  }

  function blocks(): number {
    const db = new Database(join(bench.folder, 'edge', DATABASE_FILE), { readonly: true })
    try {
      return db.prepare<[], number>('SELECT count(*) FROM block').pluck().get() ?? 0
    } finally {
      db.close()
    }
  }

  test('what is settled goes as fast as more comes, also where each commit brings more than so many: it stayed, in memory and on disk', async () => {
    const buffer = await open('drop_newest', 0)
    await goOn(buffer)
    await until('no more is kept than what was settled just now', () => blocks() <= NAMES.length || undefined)
  })

  test.each(['drop_newest', 'drop_oldest'] as const)('nothing is lost for what is settled where %s', async whenFull => {
    const buffer = await open(whenFull, QUOTA_BYTES)
    await goOn(buffer)
    const dropped = NAMES.reduce((sum, name) => sum + buffer.inlet(name).counts().dropped, 0)
    expect(dropped).toBe(0)
    expect(buffer.disk().usedBytes).toBeLessThanOrEqual(QUOTA_BYTES)
    expect(bench.alarms.list()).toEqual([])
  })

  test('small ones that are settled make room for large ones', async () => {
    const buffer = await open('drop_newest', QUOTA_BYTES)
    await goOn(buffer)
    const large = noise(0).repeat(8)
    for (const name of NAMES) put(buffer, name, large)
    await Promise.all(NAMES.map(name => buffer.inlet(name).stored()))
    expect(NAMES.map(name => buffer.inlet(name).counts().dropped)).toEqual(NAMES.map(() => 0))
  })
})
