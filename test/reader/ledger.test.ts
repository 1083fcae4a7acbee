import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ledger } from '../../src/reader/ledger.ts'

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

  test('keeps state and alerts together', () => {
    ledger.setCheckpoint('c', { at: 5 }, [{ alert: '{"key":"k"}', sink: 's' }])
    expect(ledger.checkpoint('c')).toEqual({ at: 5 })
    const [entry] = ledger.outbox(10)
    expect(entry).toMatchObject({ alert: '{"key":"k"}', sink: 's' })
    ledger.delivered(entry?.number ?? -1)
    expect(ledger.outbox(10)).toEqual([])
  })

  test('refuses a file of a newer version', () => {
    ledger.close()
    const reopened = new Database(join(folder, 'readers.db'))
    reopened.pragma('user_version = 99')
    reopened.close()
    expect(() => new Ledger(join(folder, 'readers.db'))).toThrow('newer version')
    const again = new Database(join(folder, 'readers.db'))
    again.pragma('user_version = 1')
    again.close()
    ledger = new Ledger(join(folder, 'readers.db'))
  })
})
