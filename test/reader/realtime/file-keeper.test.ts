import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileKeeper } from '../../../src/reader/realtime/file-keeper.ts'
import type { StateEntry } from '../../../src/reader/realtime/state-entry.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-file-keeper-'))
  path = join(folder, 'analysers.db')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const delivered = (number: number): StateEntry => ({ kind: 'delivered', numbers: [number] })

/** What a disk does that is full. */
function refuse(): () => void {
  const db = new Database(path)
  db.exec("CREATE TRIGGER refused BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")
  return () => {
    db.exec('DROP TRIGGER refused')
    db.close()
  }
}

function kept(): readonly StateEntry[] {
  const keeper = new FileKeeper(path)
  keeper.close()
  return keeper.entries
}

test('entries that the disk did not take are kept by the next append: they were taken for kept, and their alerts were told', async () => {
  const keeper = new FileKeeper(path)
  const mend = refuse()
  await expect(keeper.append([delivered(1)])).rejects.toThrow('disk is full')
  await expect(keeper.append([])).rejects.toThrow('disk is full')
  mend()
  await keeper.append([])
  await keeper.append([delivered(2)])
  keeper.close()
  expect(kept()).toEqual([delivered(1), delivered(2)])
})

test('the file is made short however often the agent is started: what it held before counts', async () => {
  const before = new FileKeeper(path)
  await before.append(Array.from({ length: 5_000 }, (_, number) => delivered(number)))
  expect(before.isLong).toBe(false)
  before.close()
  const after = new FileKeeper(path)
  await after.append([delivered(5_000)])
  expect(after.isLong).toBe(true)
  const forget = after.startAnew()
  await after.append([delivered(5_001)])
  await forget()
  expect(after.isLong).toBe(false)
  after.close()
  expect(kept()).toEqual([delivered(5_001)])
})

test('what is kept can be read back while more is appended', async () => {
  const keeper = new FileKeeper(path)
  await keeper.append([delivered(1)])
  const forget = keeper.startAnew()
  await keeper.append([delivered(2)])
  expect(await keeper.readBack()).toEqual([delivered(1), delivered(2)])
  await forget()
  expect(await keeper.readBack()).toEqual([delivered(2)])
  keeper.close()
})
