import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { everyPoison, POISON_AT_ONCE, recordNamed } from '../../src/cli/poison-pages.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { LEDGER_VERSIONS } from '../../src/reader/ledger-schema.ts'

let folder: string
let ledger: Ledger

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'))
  ledger = new Ledger(join(folder, 'readers.db'))
})

afterEach(() => {
  ledger.close()
  rmSync(folder, { recursive: true })
})

test('a ledger that is damaged is named, with what to do: it was a stack trace', () => {
  const path = join(folder, 'damaged.db')
  writeFileSync(path, Buffer.alloc(9_000, 3))
  expect(() => new Ledger(path)).toThrow(
    expect.objectContaining({
      code: 'state_damaged',
      message: `${path} cannot be opened as the ledger of batch jobs: file is not a database`,
      advice: expect.stringContaining('consumer group'),
    }),
  )
  expect(() => new Ledger(folder)).toThrow(expect.objectContaining({ code: 'disk_unusable' }))
})

const RANGES = [{ source: 'g/a', topic: 't', partition: 0, from: 0, to: 10 }]

describe('the run ledger', () => {
  test('moves offsets only when a run is complete', () => {
    ledger.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 1 })
    expect(ledger.offsets('j').size).toBe(0)
    ledger.fail('j', 'r1', { endedMs: 2, exitCode: 3, error: 'no' })
    expect(ledger.offsets('j').size).toBe(0)
    ledger.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 3 })
    ledger.complete('j', 'r1', { endedMs: 4, records: 9, placeholders: 1 })
    expect(ledger.offsets('j').get('g/a')).toBe(10)
    expect(ledger.runs('j', 5)).toMatchObject([{ id: 'r1', state: 'done', records: 9, placeholders: 1 }])
  })

  test('completes nothing that was not begun, and nothing twice', () => {
    expect(() => ledger.complete('j', 'r1', { endedMs: 1, records: 0, placeholders: 0 })).toThrow('not running')
    ledger.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 1 })
    ledger.complete('j', 'r1', { endedMs: 1, records: 0, placeholders: 0 })
    expect(() => ledger.complete('j', 'r1', { endedMs: 1, records: 0, placeholders: 0 })).toThrow('not running')
  })

  test('refuses a file of a newer version', () => {
    ledger.close()
    const reopened = new Database(join(folder, 'readers.db'))
    reopened.pragma('user_version = 99')
    reopened.close()
    expect(() => new Ledger(join(folder, 'readers.db'))).toThrow('newer version')
    const again = new Database(join(folder, 'readers.db'))
    again.pragma(`user_version = ${LEDGER_VERSIONS.length}`)
    again.close()
    ledger = new Ledger(join(folder, 'readers.db'))
  })

  test('takes over a file of the first version, with its offsets and its run that was cut off', () => {
    const path = join(folder, 'first.db')
    const first = new Database(path)
    first.exec(LEDGER_VERSIONS[0] ?? '')
    first.pragma('user_version = 1')
    first.prepare("INSERT INTO offsets VALUES ('j', 'g/a', 7)").run()
    first
      .prepare("INSERT INTO runs (id, job, state, ranges, started) VALUES ('r1', 'j', 'running', ?, 5)")
      .run(JSON.stringify(RANGES))
    first.close()
    const taken = new Ledger(path)
    expect(taken.offsets('j').get('g/a')).toBe(7)
    expect(taken.lastRun('j')).toMatchObject({ id: 'r1', kind: 'run', atMs: 5, attempts: 1, dead: 0, token: '' })
    taken.complete('j', 'r1', { endedMs: 9, records: 10, placeholders: 0, attempts: 2 })
    expect(taken.runs('j', 1)).toMatchObject([{ state: 'done', attempts: 2 }])
    taken.close()
  })

  test('a backfill moves no offsets, and is not the run that a job goes on with', () => {
    ledger.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 1 })
    ledger.begin({ id: 'b1', job: 'j', ranges: RANGES, startedMs: 2, kind: 'backfill' })
    ledger.complete('j', 'b1', { endedMs: 3, records: 10, placeholders: 0 })
    expect(ledger.offsets('j').size).toBe(0)
    expect(ledger.lastRun('j')?.id).toBe('r1')
  })

  test('runs of a job are kept in their own number: those of a nightly one were forgotten for those of one that ran each minute', () => {
    const few = new Ledger(join(folder, 'few.db'), { runsKeptPerJob: 3 })
    const ran = (job: string, id: string) => {
      few.begin({ id, job, ranges: RANGES, startedMs: 1 })
      few.complete(job, id, { endedMs: 2, records: 1, placeholders: 0 })
    }
    for (let night = 0; night < 5; night++) {
      ran('nightly', `n${night}`)
      for (let minute = 0; minute < 10; minute++) ran('each-minute', `m${night}.${minute}`)
    }
    expect(few.runs('nightly', 10).map(({ id }) => id)).toEqual(['n4', 'n3', 'n2'])
    expect(few.runs('each-minute', 10)).toHaveLength(3)
    few.close()
  })

  test('the run that is to be repeated outlasts as many backfills as are kept', () => {
    const few = new Ledger(join(folder, 'few.db'), { runsKeptPerJob: 3 })
    few.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 1 })
    few.fail('j', 'r1', { endedMs: 2, exitCode: 3, error: 'no' })
    for (const id of ['b1', 'b2', 'b3', 'b4']) few.begin({ id, job: 'j', ranges: RANGES, startedMs: 3, kind: 'backfill' })
    expect(few.lastRun('j')).toMatchObject({ id: 'r1', state: 'failed' })
    expect(few.runs('j', 10).map(({ id }) => id)).toEqual(['b4', 'b3', 'b2', 'r1'])
    few.close()
  })

  test('what was due is kept with the run that begins, or not at all', () => {
    const due = { dueMs: 100, untilMs: 120 }
    expect(() => ledger.begin({ id: 'r1', job: 'j', ranges: undefined as never, startedMs: 1, due })).toThrow()
    expect(ledger.wasDue('j', 100)).toBe(false)
    ledger.begin({ id: 'r1', job: 'j', ranges: RANGES, startedMs: 1, due })
    expect([ledger.wasDue('j', 100), ledger.wasDue('k', 100), ledger.decidedUntil('j')]).toEqual([true, false, 120])
  })

  test('the bad records of a job are shown to the last, a thousand at once: the first thousand passed for all', async () => {
    const records = (source: string, count: number) =>
      Array.from({ length: count }, (_, sequence) => ({ source, sequence, run: 'r1', reason: 'odd' }))
    const all = [...records('g/a', 1_999), ...records('g/b', 1)]
    ledger.addPoison('j', all)
    ledger.addPoison('k', records('g/a', 1))
    let asked = 0
    const ask = async (after: string | undefined) => {
      asked += 1
      return ledger.allPoison('j', POISON_AT_ONCE, recordNamed(after))
    }
    expect(await everyPoison(ask)).toEqual(all)
    expect(asked).toBe(3)
    // A core of an earlier version.
    expect(await everyPoison(async () => ledger.allPoison('j', POISON_AT_ONCE))).toEqual(all.slice(0, 1_000))
    expect(() => recordNamed('g/a')).toThrow('names no record')
  })
})
