import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Alert, AlertState } from '../../src/analyser/analyser.ts'
import type { Log } from '../../src/log/log.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { AlertBook } from '../../src/reader/realtime/alert-book.ts'
import { SharedAlerts } from '../../src/reader/realtime/shared-alerts.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const ID = 'plant.too-hot'
const HOUR_MS = 3_600_000

let folder: string
let clock: SimulatedClock
let log: Log
let starts = 0
const open = new Set<AlertBook>()
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-shared-'))
  clock = new SimulatedClock()
  log = await openSqliteLog({ path: join(folder, 'log.db'), clock })
})
afterEach(async () => {
  for (const book of open) book.close()
  open.clear()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Core {
  readonly book: AlertBook
  readonly shared: SharedAlerts
}

/** A core, or what it is after another start; `on`: the log as it sees it. */
function core(name: string, on: Log = log): Core {
  const book = new AlertBook(join(folder, `${name}.db`), clock, { shares: true })
  open.add(book)
  const owner = { core: name, instance: String(starts++) }
  return { book, shared: new SharedAlerts({ log: on, book, clock, logger: silentLogger, owner }) }
}

function close({ book }: Core): void {
  book.close()
  open.delete(book)
}

function alert(state: AlertState, number: number): Alert {
  const source = { gateway: 'gw-1', source: 'press-1' }
  const timeMs = clock.wallMs() + number
  return { key: `press-1:${number}:${state}`, analyser: 'too-hot', source, state, timeMs, message: state, values: { t: 91 } }
}

const about = ({ book }: Core) => book.alerts().map(({ key, stands, acknowledged }) => [key, stands, acknowledged?.by ?? null])

describe('cores that share a log', () => {
  test('have the same alerts: what one raised another may acknowledge, and what a third cleared stands nowhere', async () => {
    const [a, b, c] = [core('core-a'), core('core-b'), core('core-c')]
    a.book.add(alert('raised', 1), ID)
    await a.shared.look()
    await b.shared.look()
    expect(about(b)).toEqual([['press-1:1:raised', true, null]])
    b.book.acknowledge('press-1:1:raised', 'anna', 'on my way')
    await b.shared.look()
    await a.shared.look()
    expect(about(a)).toEqual([['press-1:1:raised', true, 'anna']])
    // The watch was taken over meanwhile.
    c.book.add(alert('cleared', 2), ID)
    for (const each of [c, a, b]) await each.shared.look()
    const same = [
      ['press-1:2:cleared', false, null],
      ['press-1:1:raised', false, 'anna'],
    ]
    expect([a, b, c].map(about)).toEqual([same, same, same])
  })

  test('hold back alike what is silenced at one of them, until it ends at another', async () => {
    const [a, b] = [core('core-a'), core('core-b')]
    a.book.silence({ analyser: '*', source: 'press-*', forMs: HOUR_MS, by: 'anna', reason: 'bearing' })
    expect(b.book.isSilenced(ID, 'gw-1/press-1')).toBe(false)
    await a.shared.look()
    await b.shared.look()
    expect(b.book.isSilenced(ID, 'gw-1/press-1')).toBe(true)
    expect(b.book.silences()).toMatchObject([{ by: 'anna', reason: 'bearing', source: 'press-*' }])
    b.book.endSilence(b.book.silences()[0]?.id ?? 0)
    await b.shared.look()
    await a.shared.look()
    expect(a.book.isSilenced(ID, 'gw-1/press-1')).toBe(false)
    // One that reads all of it anew, in whichever order, does not begin with what is over.
    const late = core('core-late')
    await late.shared.look()
    expect(late.book.silences()).toEqual([])
  })

  test('hear that a silence is over before they hear of it: it stood until its time where others were made in between', async () => {
    const [a, b] = [core('core-a'), core('core-b')]
    a.book.silence({ analyser: '*', source: 'press-*', forMs: HOUR_MS, by: 'anna', reason: 'bearing' })
    await a.shared.look()
    await b.shared.look()
    b.book.endSilence(b.book.silences()[0]?.id ?? 0)
    await b.shared.look()
    // The partition of core-a has no leader just now.
    let isReady = false
    const aside = (await log.claims()).find(({ source }) => source.source.endsWith('core-a'))
    const half: Log = Object.assign(Object.create(log) as Log, {
      claims: () => log.claims(),
      ends: async (...[places]: Parameters<Log['ends']>) =>
        log.ends(isReady ? places : places.filter(({ partition }) => partition !== aside?.partition)),
      claim: (...args: Parameters<Log['claim']>) => log.claim(...args),
      renewEpoch: (...args: Parameters<Log['renewEpoch']>) => log.renewEpoch(...args),
      append: (...args: Parameters<Log['append']>) => log.append(...args),
      end: (...args: Parameters<Log['end']>) => log.end(...args),
      fetch: (...args: Parameters<Log['fetch']>) => log.fetch(...args),
    })
    const c = core('core-c', half)
    await c.shared.look()
    c.book.silence({ analyser: '*', source: 'valve-*', forMs: HOUR_MS, by: 'cleo', reason: '' })
    isReady = true
    await c.shared.look()
    expect(c.book.silences()).toMatchObject([{ source: 'valve-*' }])
    // What core-b tells of all that counts, once its words are made short, says it as well.
    expect(b.book.everything()).toMatchObject([{ kind: 'unsilenced' }])
  })

  test('agree who was first where two acknowledge at once', async () => {
    const [a, b] = [core('core-a'), core('core-b')]
    a.book.add(alert('raised', 1), ID)
    await a.shared.look()
    await b.shared.look()
    b.book.acknowledge('press-1:1:raised', 'bert', '')
    a.book.acknowledge('press-1:1:raised', 'anna', '')
    for (const each of [a, b, a]) await each.shared.look()
    expect([about(a), about(b)]).toEqual([[['press-1:1:raised', true, 'anna']], [['press-1:1:raised', true, 'anna']]])
  })

  test('are told over a restart what could not be told before, and a new disk learns it all from the log', async () => {
    const before = core('core-a')
    before.book.silence({ analyser: '*', source: '*', forMs: HOUR_MS, by: 'anna', reason: '' })
    before.book.add(alert('raised', 1), ID)
    close(before)
    const after = core('core-a')
    await after.shared.look()
    close(after)
    rmSync(join(folder, 'core-a.db'))
    const anew = core('core-a')
    await anew.shared.look()
    expect(anew.book.silences()).toHaveLength(1)
    expect(about(anew)).toEqual([['press-1:1:raised', true, null]])
    expect(anew.book.unsaid(10)).toEqual([])
  })

  test('with a new disk are heard of later where the log could not say at first how far it goes', async () => {
    const before = core('core-a')
    before.book.add(alert('raised', 1), ID)
    await before.shared.look()
    close(before)
    rmSync(join(folder, 'core-a.db'))
    let isReady = false
    const starting: Log = Object.assign(Object.create(log) as Log, {
      claims: () => log.claims(),
      ends: async (...args: Parameters<Log['ends']>) => (isReady ? log.ends(...args) : new Map()),
      fetch: (...args: Parameters<Log['fetch']>) => log.fetch(...args),
    })
    const anew = core('core-a', starting)
    await anew.shared.look()
    expect(about(anew)).toEqual([])
    isReady = true
    await anew.shared.look()
    expect(about(anew)).toEqual([['press-1:1:raised', true, null]])
  })

  test('tell once what was on its way when the log did not answer', async () => {
    let isAway = true
    const flaky: Log = Object.assign(Object.create(log) as Log, {
      append: async (...args: Parameters<Log['append']>) => {
        const appended = await log.append(...args)
        // Stored, but the answer is lost; the mark of the takeover before it was answered.
        if (isAway && args[1].sequence > 0) throw new Error('away')
        return appended
      },
      claims: () => log.claims(),
      claim: (...args: Parameters<Log['claim']>) => log.claim(...args),
      renewEpoch: (...args: Parameters<Log['renewEpoch']>) => log.renewEpoch(...args),
      end: (...args: Parameters<Log['end']>) => log.end(...args),
      ends: (...args: Parameters<Log['ends']>) => log.ends(...args),
      lastBatch: (...args: Parameters<Log['lastBatch']>) => log.lastBatch(...args),
      fetch: (...args: Parameters<Log['fetch']>) => log.fetch(...args),
    })
    const a = core('core-a', flaky)
    a.book.silence({ analyser: '*', source: '*', forMs: HOUR_MS, by: 'anna', reason: '' })
    await expect(a.shared.look()).rejects.toThrow('away')
    expect(a.book.unsaid(10)).toHaveLength(1)
    isAway = false
    await a.shared.look()
    expect(a.book.unsaid(10)).toEqual([])
    const b = core('core-b')
    await b.shared.look()
    expect(b.book.silences()).toHaveLength(1)
    const [claim] = await log.claims()
    expect(claim && (await log.end(claim)).next).toBe(2)
  })

  test('what is only told and never heard would be seen: without looking, another core knows nothing', async () => {
    const [a, b] = [core('core-a'), core('core-b')]
    a.book.add(alert('raised', 1), ID)
    await a.shared.look()
    expect(about(b)).toEqual([])
  })
})

test('a book of the first version keeps its alerts, who took care of them, and its silences', () => {
  const db = new Database(join(folder, 'core-a.db'))
  db.exec(`
    CREATE TABLE alerts (
      number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL, analyser TEXT NOT NULL, source TEXT, state TEXT NOT NULL,
      time INTEGER NOT NULL, message TEXT NOT NULL, vals TEXT NOT NULL, ack_by TEXT, ack_at INTEGER, ack_note TEXT
    ) STRICT;
    CREATE TABLE silences (
      id INTEGER PRIMARY KEY AUTOINCREMENT, analyser TEXT NOT NULL, source TEXT NOT NULL, started INTEGER NOT NULL, until INTEGER NOT NULL,
      by TEXT NOT NULL, reason TEXT NOT NULL
    ) STRICT;
    INSERT INTO alerts VALUES (1, 'k', '${ID}', 'too-hot', 'gw-1/press-1', 'raised', 5, 'hot', '{}', 'anna', 6, 'on my way');
    INSERT INTO silences VALUES (4, '*', 'press-*', 1, ${clock.wallMs() + HOUR_MS}, 'bert', 'bearing');`)
  db.close()
  const { book } = core('core-a')
  expect(book.alerts()).toMatchObject([{ key: 'k', stands: true, acknowledged: { by: 'anna', atMs: 6, note: 'on my way' } }])
  expect(book.silences()).toMatchObject([{ id: 4, by: 'bert', source: 'press-*' }])
  close({ book } as Core)
  expect(core('core-a').book.alerts()).toHaveLength(1)
})
