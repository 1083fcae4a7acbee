import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { cutBatch } from '../support/batches.ts'
import { describeLog } from './conformance.ts'

const execute = promisify(execFile)

describeLog('SQLite', { proofsExpire: false, tellsRepeats: true }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  return {
    open: () => openSqliteLog({ path: join(folder, 'log.db'), clock: systemClock }),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
})

test('a file that is no database is refused with its name and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const path = join(folder, 'log.db')
  writeFileSync(path, 'these are not the pages of a database, however long one looks at them')
  await expect(openSqliteLog({ path, clock: systemClock })).rejects.toMatchObject({
    code: 'log_unavailable',
    message: expect.stringContaining(path),
    advice: expect.stringContaining('backup'),
  })
  rmSync(folder, { recursive: true, force: true })
})

test('a file that is damaged while it is open looked like a log that cannot be reached now: a person is told what it is, and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const path = join(folder, 'log.db')
  const alarms = new Alarms(systemClock)
  const log = await openSqliteLog({ path, clock: systemClock, alarms })
  const claim = await log.claim({ gateway: 'gw-1', source: 'pump-1' }, 'plant')
  const { producerId, epoch, epochStart } = claim
  const append = async (sequence: number) => {
    const { proof } = await log.end(claim)
    const salt = randomBytes(20_000).toString('hex')
    return log.append(claim, cutBatch(sequence, 10, { key: 'gw-1/pump-1', producerId, epoch, epochStart, salt }), proof)
  }
  // More than its write-ahead log and SQLite's memory hold.
  for (let batch = 0; batch < 60; batch++) expect(await append(batch * 10)).toMatchObject({ outcome: 'appended' })
  const file = openSync(path, 'r+')
  writeSync(file, randomBytes(statSync(path).size - 4_096), 0, undefined, 4_096)
  closeSync(file)
  const cursor = { topic: claim.topic, partition: claim.partition, from: 0 }
  await expect(log.fetch([cursor], { maxBytes: 2 ** 30, waitMs: 0 })).rejects.toThrow()
  expect(alarms.list()).toMatchObject([{ code: 'log_damaged', advice: expect.stringContaining('backup') }])
  await log.close().catch(() => {})
  rmSync(folder, { recursive: true, force: true })
})

test('a file that cannot be written looked like a log that cannot be reached now: a person is told, until it can be written again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const path = join(folder, 'log.db')
  const alarms = new Alarms(systemClock)
  const log = await openSqliteLog({ path, clock: systemClock, alarms })
  const claim = await log.claim({ gateway: 'gw-1', source: 'pump-1' }, 'plant')
  const append = async () => {
    const { producerId, epoch, epochStart } = claim
    const { next, proof } = await log.end(claim)
    return log.append(claim, cutBatch(next, 10, { key: 'gw-1/pump-1', producerId, epoch, epochStart }), proof)
  }
  const other = new Database(path)
  other.exec("CREATE TRIGGER full BEFORE INSERT ON batches BEGIN SELECT RAISE(ROLLBACK, 'no room'); END")
  expect(await append()).toMatchObject({ outcome: 'unavailable' })
  expect(alarms.list()).toMatchObject([{ code: 'log_unwritable', message: expect.stringContaining(`${path} cannot be written`) }])
  other.exec('DROP TRIGGER full')
  expect(await append()).toMatchObject({ outcome: 'appended', offset: 0 })
  expect(alarms.list()).toEqual([])
  other.close()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

test('claims that two processes make at once wait for each other: one that had read before the other wrote found the database locked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const path = join(folder, 'log.db')
  const log = await openSqliteLog({ path, clock: systemClock })
  const work = `
    const { openSqliteLog } = await import(${JSON.stringify(new URL('../../src/log/sqlite/sqlite-log.ts', import.meta.url).href)})
    const { systemClock } = await import(${JSON.stringify(new URL('../../src/runtime/clock.ts', import.meta.url).href)})
    const log = await openSqliteLog({ path: ${JSON.stringify(path)}, clock: systemClock })
    for (let at = 0; at < 150; at++) await log.claim({ gateway: process.argv[1], source: 's-' + at }, 'plant')
    await log.close()`
  const processes = ['gw-1', 'gw-2', 'gw-3'].map(gateway =>
    execute(process.execPath, ['--input-type=module', '-e', work, gateway]),
  )
  await Promise.all(processes)
  const claims = await log.claims()
  expect(new Set(claims.map(({ partition }) => partition)).size).toBe(450)
  expect(new Set(claims.map(({ producerId }) => producerId)).size).toBe(450)
  await log.close()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

test('what waits behind a group that cannot be committed is answered too: it waited until somebody else appended', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const log = await openSqliteLog({ path: join(folder, 'log.db'), clock: systemClock })
  const place = { topic: 'nowhere', partition: 0 }
  const { proof } = await log.end(await log.claim({ gateway: 'gw-1', source: 'source-1' }, 'topic-1'))
  const batch = cutBatch(0, 1)
  // One more than share a transaction.
  const answers = await Promise.all(Array.from({ length: 2_001 }, () => log.append(place, batch, proof)))
  expect(answers.filter(({ outcome }) => outcome === 'unavailable')).toHaveLength(2_001)
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})
