import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { DATABASE_FILE } from '../../src/buffer/database-files.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import type { Commit } from '../../src/buffer/store-calls.ts'
import type { StoreOptions } from '../../src/buffer/store-thread.ts'
import { until } from '../support/until.ts'
import {
  ASSIGNMENT,
  Bench,
  declared,
  isContiguous,
  noise,
  numberOf,
  outletOf,
  PLACES,
  put,
  recordsOf,
  takeRecords,
} from './harness.ts'

const NAMES = Array.from({ length: 40 }, (_, at) => `pump-${at}`)
const ROUNDS = 30
const [PUMP = '', ...OTHERS] = NAMES
/** Holds what all of them say in seven rounds, about, of 0.7 kB each. */
const WINDOW_BYTES = 200_000
const WINDOW_ROUNDS = 9
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
  async function goOn(buffer: EdgeBuffer, names = NAMES): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of names) put(buffer, name, noise(round))
      await Promise.all(names.map(name => buffer.inlet(name).stored()))
      for (const name of names) {
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

  test('after a power cut what lies before the oldest block is settled, though the row of its source does not say so yet: it is not declared lost', async () => {
    const buffer = await open('drop_newest', WINDOW_BYTES)
    await goOn(buffer)
    await until('only what is within the window is kept', () => blocks() <= WINDOW_ROUNDS * NAMES.length)
    const after = bench.cut()
    const again = await after.open({ sources: { [PUMP]: {} }, rewindBytes: WINDOW_BYTES, quotaBytes: QUOTA_BYTES })
    const outlet = outletOf(again, PUMP)
    expect(outlet.next).toBe(ROUNDS)
    expect(outlet.settled).toBeGreaterThanOrEqual(ROUNDS - WINDOW_ROUNDS)
    again.attachLink(() => {})
    put(again, PUMP, noise(ROUNDS))
    const records = recordsOf(await takeRecords(again, PUMP, ROUNDS + 1 - outlet.settled))
    expect(records.map(({ text }) => numberOf(text)).at(-1)).toBe(ROUNDS)
    expect(isContiguous(records, outlet.settled)).toBe(true)
    expect(declared(records)).toBe(0)
    await after.end()
  })

  test('a source of which no block is left goes on behind what it said, also after a power cut', async () => {
    const buffer = await open('drop_newest', WINDOW_BYTES)
    put(buffer, PUMP, noise(0))
    await buffer.inlet(PUMP).stored()
    await takeRecords(buffer, PUMP, 1)
    outletOf(buffer, PUMP).settle(1)
    await goOn(buffer, OTHERS)
    await until('only what is within the window is kept', () => blocks() <= WINDOW_ROUNDS * OTHERS.length)
    const after = bench.cut()
    const again = await after.open({ sources: { [PUMP]: {} }, quotaBytes: QUOTA_BYTES })
    expect(outletOf(again, PUMP)).toMatchObject({ settled: 1, next: 1 })
    await after.end()
  })

  test('a source whose blocks go in one commit for want of room and for want of a place in the window goes on behind what it said: its row was not written, and the log was ahead of it', async () => {
    const records = 12
    const text = (number: number) => `${number}:${randomBytes(8_000).toString('hex')}`
    const sources = { [PUMP]: {}, other: {} }
    const options = { sources, rewindBytes: 4_096, quotaBytes: QUOTA_BYTES, limits: { blockRecords: 1, forgetEveryMs: 60_000 } }
    // How much room is wanted says how many go for it; the others go since they lie beyond the window.
    for (const wanted of Array.from({ length: 9 }, (_, at) => 35 + at)) {
      const first = new Bench({ ...limits })
      try {
        const buffer = await first.open(options)
        for (const name of [PUMP, 'other']) await outletOf(buffer, name).assign(ASSIGNMENT)
        buffer.attachLink(() => {})
        for (let number = 0; number < records; number++) put(buffer, PUMP, text(number))
        await buffer.inlet(PUMP).stored()
        const taken = await takeRecords(buffer, PUMP, records)
        for (const { sequence, count } of taken) outletOf(buffer, PUMP).settle(sequence + count)
        for (let number = 0; number < wanted; number++) put(buffer, 'other', text(number))
        await buffer.inlet('other').stored()
        const cut = first.cut()
        try {
          expect(outletOf(await cut.open(options), PUMP).next, `${wanted} wanted`).toBe(records)
        } finally {
          await cut.end()
        }
      } finally {
        await first.end()
      }
    }
  })

  test('the row of a source is not written with each block that goes, and is when the last one does', async () => {
    const rows: string[] = []
    const sources = Object.fromEntries(NAMES.map(name => [name, { whenFull: 'drop_newest' as const }]))
    const openStore = (options: StoreOptions) => {
      const store = openInlineStore(options)
      return {
        ...store,
        commit: (commit: Commit) => {
          for (const step of commit.steps) if (step.kind === 'source') rows.push(step.row.name)
          return store.commit(commit)
        },
      }
    }
    const buffer = await bench.open({ sources, rewindBytes: WINDOW_BYTES, quotaBytes: QUOTA_BYTES, openStore })
    for (const name of NAMES) await outletOf(buffer, name).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    rows.length = 0
    await goOn(buffer)
    // Each once, when its first block goes; and whoever has no block left but in the window of others.
    expect(rows.length).toBeLessThanOrEqual(NAMES.length * 4)
    await bench.close(buffer)
  })
})
