import { expect, test } from 'vitest'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, outletOf, put, takeRecords } from './harness.ts'

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
