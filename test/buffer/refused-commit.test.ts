import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { DATABASE_FILE } from '../../src/buffer/database-files.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, isContiguous, noise, outletOf, put, recordsOf, takeRecords } from './harness.ts'

/** A buffer whose disk refuses commits while `disk.refuses`. */
async function onRefusingDisk(bench: Bench, disk: { refuses: boolean }) {
  return bench.open({
    openStore: options => {
      const store = openInlineStore(options)
      const commit: typeof store.commit = async what => {
        if (disk.refuses) throw new HeadraceError('disk_full', 'no space left on device')
        return store.commit(what)
      }
      return { ...store, commit }
    },
  })
}

test('an assignment that the disk refused is not used: nothing is cut with it', async () => {
  const bench = new Bench()
  const disk = { refuses: true }
  const buffer = await onRefusingDisk(bench, disk)
  await expect(outletOf(buffer).assign(ASSIGNMENT)).rejects.toThrow('no space left')
  expect(outletOf(buffer).assignment).toBeUndefined()
  disk.refuses = false
  await outletOf(buffer).assign(ASSIGNMENT)
  expect(outletOf(buffer).assignment).toEqual(ASSIGNMENT)
  await bench.end()
})

test('numbers that a refused commit had reserved are reserved again before any is given: none is used twice after the database is lost', async () => {
  const bench = new Bench()
  const disk = { refuses: false }
  const buffer = await onRefusingDisk(bench, disk)
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  disk.refuses = true
  put(buffer, 'pump-1', 'first')
  await until('the commit was refused', () => bench.alarms.list().some(({ code }) => code === 'disk_full'))
  disk.refuses = false
  await takeRecords(buffer, 'pump-1', 1)
  const after = bench.cut()
  after.loseDatabase()
  const again = await after.open()
  expect(outletOf(again).next).toBeGreaterThanOrEqual(1)
  await after.end()
  await bench.end()
})

test('a resume that the disk refused changes nothing: what was cut is still there, and a second one sets it aside and declares it', async () => {
  const bench = new Bench()
  const disk = { refuses: false }
  const buffer = await onRefusingDisk(bench, disk)
  const outlet = outletOf(buffer)
  await outlet.assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  for (let record = 0; record < 3; record++) put(buffer, 'pump-1', `record ${record}`)
  await takeRecords(buffer, 'pump-1', 3)
  const next = outlet.next
  await outlet.freeze({ code: 'log_ahead', message: 'somebody else wrote', advice: '' })
  disk.refuses = true
  const renewed = { ...ASSIGNMENT, epoch: 1, epochStart: 50 }
  await expect(outlet.resume(renewed, 50)).rejects.toThrow('no space left')
  expect(outlet).toMatchObject({ next, assignment: ASSIGNMENT })
  expect(outlet.frozen?.code).toBe('log_ahead')
  disk.refuses = false
  await outlet.resume(renewed, 50)
  expect(outlet).toMatchObject({ settled: 50, next: 51, assignment: renewed })
  expect(outlet.frozen).toBeUndefined()
  await bench.end()
})

test.each(['inline', 'thread'] as const)(
  'blocks of a commit that failed are written with the next, small ones and large ones (%s)',
  async worker => {
    const bench = new Bench({ blockBytes: 64 * 1024 })
    const buffer = await bench.open({ worker, sources: { 'pump-1': {}, 'pump-2': {} } })
    await outletOf(buffer, 'pump-1').assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    const disk = new Database(join(bench.folder, 'edge', DATABASE_FILE))
    disk.exec("CREATE TRIGGER refuses BEFORE INSERT ON block BEGIN SELECT raise(ABORT, 'refused'); END")
    const texts = ['small', noise(1).repeat(60), 'small again']
    for (const text of texts) for (const source of ['pump-1', 'pump-2']) put(buffer, source, text)
    await until('a commit failed', () => bench.alarms.list().length > 0)
    disk.exec('DROP TRIGGER refuses')
    disk.close()
    // What had no numbers was sealed as it was written, in the memory that it lies in; it is read back as well.
    await buffer.inlet('pump-2').stored()
    await outletOf(buffer, 'pump-2').assign(ASSIGNMENT)
    for (const source of ['pump-1', 'pump-2']) {
      const records = recordsOf(await takeRecords(buffer, source, texts.length))
      expect(records.map(({ text }) => text)).toEqual(texts)
      expect(isContiguous(records)).toBe(true)
    }
    await bench.end()
  },
)
