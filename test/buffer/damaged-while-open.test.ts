import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, declared, outletOf, put, recordsOf, takeRecords } from './harness.ts'

const PAGE_BYTES = 4_096
const BACKLOG = 9_000

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

/** Every page but the first holds something else: what SQLite has to read from the file makes no sense to it. */
function destroy(path: string): void {
  const file = openSync(path, 'r+')
  writeSync(file, randomBytes(statSync(path).size - PAGE_BYTES), 0, undefined, PAGE_BYTES)
  closeSync(file)
}

/** More than the write-ahead log and SQLite's memory hold, so that some of it is in the file alone. */
async function backlog(buffer: EdgeBuffer): Promise<void> {
  for (let number = 0; number < BACKLOG; number++) {
    put(buffer, 'pump-1', `${number}:${randomBytes(400).toString('hex')}`)
    if (number % 500 === 499) await buffer.inlet('pump-1').stored()
  }
}

test('a database that was damaged while it was open looked like a full disk for ever: it is moved aside, and numbers go on at the mark', async () => {
  const buffer = await bench.open({ worker: 'thread', limits: { fileQuotaBytes: Number.MAX_SAFE_INTEGER } })
  const outlet = outletOf(buffer)
  await outlet.assign(ASSIGNMENT)
  await backlog(buffer)
  const held = outlet.buffered().records
  destroy(join(bench.folder, 'edge', 'buffer.db'))
  buffer.attachLink(() => {})
  const codes = () => bench.alarms.list().map(({ code }) => code)
  await until('the database is another one', () =>
    readdirSync(join(bench.folder, 'edge')).some(name => name.startsWith('damaged-')),
  )
  put(buffer, 'pump-1', 'after the damage')
  await until('it goes on', () => outlet.take() !== undefined)
  expect(codes()).toContain('buffer_damaged')
  expect(codes()).not.toContain('disk_full')
  // As the link does when the log says where it ends: what was given away is filled, and the rest declared.
  const from = 0
  await outlet.rewind(from)
  const records = recordsOf(await takeRecords(buffer, 'pump-1', outlet.next - from))
  expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => from + index))
  expect(records.at(-1)?.text).toBe('after the damage')
  expect(declared(records)).toBeGreaterThanOrEqual(held)
})

test('a disk that damages one database after the other is given up after a few, and said by its name', async () => {
  let opened = 0
  const clock = new SimulatedClock()
  const buffer = await bench.open({
    clock,
    openStore: options => {
      opened += 1
      const store = openInlineStore(options)
      return { ...store, commit: () => Promise.reject(new HeadraceError('buffer_corrupt', 'SQLITE_CORRUPT: malformed')) }
    },
  })
  put(buffer, 'pump-1', 'never stored')
  for (let second = 0; second < 30; second++) await clock.pass(1_000)
  expect(bench.alarms.list()).toMatchObject([{ code: 'buffer_damaged', message: expect.stringContaining('5 times') }])
  expect(opened).toBe(6)
})
