import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { Bench, outletOf } from './harness.ts'

/*
  What each released version left when it was stopped: `headrace up` with a source pump-1 for some seconds, then `headrace edge` with its core away. A
  folder is added with each release, and never changed.
*/
const STATES = fileURLToPath(new URL('../fixtures/state', import.meta.url))
/** What lies in each: records with numbers, all in the log; records without, on the gateway alone. */
const HOLDS: Readonly<Record<string, { numbered: number; uncut: number }>> = { '0.1.0': { numbered: 101, uncut: 21 } }

let bench: Bench
let core: string
beforeEach(() => {
  bench = new Bench()
  core = mkdtempSync(join(tmpdir(), 'headrace-core-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(core, { recursive: true, force: true })
})

test('every released version has left its state', () => {
  expect(readdirSync(STATES).sort()).toEqual(Object.keys(HOLDS).sort())
})

describe.each(Object.entries(HOLDS))('state that %s left', (version, { numbered, uncut }) => {
  beforeEach(() => {
    cpSync(join(STATES, version, 'edge'), join(bench.folder, 'edge'), { recursive: true })
    cpSync(join(STATES, version, 'core'), core, { recursive: true })
  })
  const openBuffer = () => bench.open({ sources: { 'pump-1': { topic: 'flow' } } })
  const openLog = () => openSqliteLog({ path: join(core, 'log.db'), clock: systemClock })
  const openLedger = () => new Ledger(join(core, 'readers.db'))

  test('opens, whole: the buffer goes on at its number with all that it holds', async () => {
    const outlet = outletOf(await openBuffer())
    expect(outlet).toMatchObject({ next: numbered, settled: numbered, frozen: undefined })
    expect(outlet.buffered().records).toBe(uncut)
  })

  test('opens, whole: the log and the ledger', async () => {
    const log = await openLog()
    const [claim] = await log.claims()
    expect(claim).toMatchObject({ topic: 'flow', partition: 0, source: { gateway: 'g1', source: 'pump-1' } })
    expect(await log.end({ topic: 'flow', partition: 0 })).toMatchObject({ next: numbered })
    await log.close()
    openLedger().close()
  })

  test.each([
    ['edge/buffer.db', openBuffer],
    ['log.db', openLog],
    ['readers.db', async () => openLedger()],
  ] as const)('%s of a version to come is refused, with what to do, and not touched', async (name, open) => {
    const path = name === 'edge/buffer.db' ? join(bench.folder, name) : join(core, name)
    const database = new Database(path)
    database.pragma('user_version = 99')
    database.close()
    const before = readFileSync(path)
    await expect(open()).rejects.toThrow(/newer version \(schema 99/)
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})
