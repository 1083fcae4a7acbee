import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Alert } from '../../../src/analyser/analyser.ts'
import { AlertBook } from '../../../src/reader/realtime/alert-book.ts'
import { FileKeeper } from '../../../src/reader/realtime/file-keeper.ts'
import { orSetAside } from '../../../src/reader/realtime/set-aside.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

let folder: string
let clock: SimulatedClock
let alarms: Alarms
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-damaged-'))
  clock = new SimulatedClock()
  alarms = new Alarms(clock)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const ALERT: Alert = { key: 'k', analyser: 'a', source: null, state: 'raised', timeMs: 1, message: 'it is hot', values: {} }
const deps = () => ({ clock, alarms, log: silentLogger })

/** What lies aside, without the moment of which its name tells. */
const aside = () =>
  readdirSync(folder)
    .filter(name => name.includes('damaged'))
    .map(name => name.replace(/damaged-\S*?Z/, 'damaged'))
    .sort()

async function keptEntries(path: string): Promise<void> {
  const keeper = new FileKeeper(path)
  for (let entry = 0; entry < 200; entry++) await keeper.append([{ kind: 'delivered', numbers: [entry] }])
  keeper.close()
}

const openKeeper = (path: string) => orSetAside(path, each => new FileKeeper(each), deps())

test('a file of analysers that is no database is moved aside: the agent did not start, and nothing was read', async () => {
  const path = join(folder, 'analysers.db')
  writeFileSync(path, Buffer.alloc(8_192, 7))
  const keeper = openKeeper(path)
  expect(keeper.entries).toEqual([])
  await keeper.append([{ kind: 'delivered', numbers: [1] }])
  keeper.close()
  expect(aside()).toEqual(['analysers.db.damaged'])
  expect(alarms.list()).toMatchObject([{ code: 'analysers_damaged', message: expect.stringContaining(path) }])
  expect(new FileKeeper(path).entries).toHaveLength(1)
})

test('so is one with a page that is damaged, with what was not checkpointed', async () => {
  const path = join(folder, 'analysers.db')
  await keptEntries(path)
  const bytes = readFileSync(path)
  bytes.fill(0xff, 4_096)
  writeFileSync(path, bytes)
  openKeeper(path).close()
  expect(aside()).toEqual(['analysers.db.damaged'])
})

test('and one that holds an entry that is none', async () => {
  const path = join(folder, 'analysers.db')
  await keptEntries(path)
  const db = new Database(path)
  db.prepare('UPDATE entries SET body = ? WHERE number = 7').run(Buffer.from('{"kind'))
  db.close()
  openKeeper(path).close()
  expect(aside()).toEqual(['analysers.db.damaged'])
})

test('a book of alerts that is damaged is begun anew', () => {
  const path = join(folder, 'alerts.db')
  writeFileSync(path, 'no database')
  const book = orSetAside(path, each => new AlertBook(each, clock), deps())
  book.add(ALERT, 'plant.a')
  expect(book.alerts()).toMatchObject([{ key: 'k' }])
  book.close()
  expect(aside()).toEqual(['alerts.db.damaged'])
})

test('what is not damaged, and cannot be opened, is an error: it is nobody’s to move away', () => {
  expect(() => orSetAside(join(folder, 'none', 'alerts.db'), each => new AlertBook(each, clock), deps())).toThrow()
  const refused = new HeadraceError('config_invalid', 'no')
  const opening = () => {
    throw refused
  }
  writeFileSync(join(folder, 'x.db'), '')
  expect(() => orSetAside(join(folder, 'x.db'), opening, deps())).toThrow(refused)
  expect(aside()).toEqual([])
})
