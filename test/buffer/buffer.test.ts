import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { SqliteEdgeBuffer } from '../../src/buffer/edge-buffer.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import { RenewableStore } from '../../src/buffer/renewable-store.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, isContiguous, outletOf, PLACES, put, recordsOf, takeRecords } from './harness.ts'

const hex = ({ bytes }: CutBatch) => bytes.toString('hex')
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `r${from + index}`)

const STORES = (['inline', 'thread'] as const).flatMap(worker =>
  PLACES.map(([where, limits]) => [worker, where, limits] as const),
)

describe.each(STORES)('a buffer with its store %s, blocks %s', (worker, _where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench(limits)
  })
  afterEach(() => bench.end())

  test('numbers records as they came, and gives them in that order', async () => {
    const buffer = await bench.open({ worker })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    for (const text of numbers(0, 500)) {
      put(buffer, 'pump-1', text)
      if (text.endsWith('7')) await buffer.inlet('pump-1').stored()
    }
    const records = recordsOf(await takeRecords(buffer, 'pump-1', 500))
    expect(records.map(({ text }) => text)).toEqual(numbers(0, 500))
    expect(isContiguous(records)).toBe(true)
  })

  test('a batch that was cut once is given again byte for byte, after a restart too', async () => {
    let buffer = await bench.open({ worker })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    const before: CutBatch[] = []
    for (const text of numbers(0, 40)) {
      put(buffer, 'pump-1', text)
      before.push(...(await takeRecords(buffer, 'pump-1', 1)))
    }
    outletOf(buffer).settle(before[4]?.sequence ?? 0)
    await bench.close(buffer)
    buffer = await bench.open({ worker })
    expect(outletOf(buffer).next).toBe(40)
    buffer.attachLink(() => {})
    const again = await takeRecords(buffer, 'pump-1', 40 - (before[4]?.sequence ?? 0))
    expect(again.map(hex)).toEqual(before.slice(4).map(hex))
    await outletOf(buffer).rewind(0)
    expect((await takeRecords(buffer, 'pump-1', 40)).map(hex)).toEqual(before.map(hex))
  })

  test('what comes while a batch waits for the link goes with one more, and not with one for each commit', async () => {
    const buffer = await bench.open({ worker })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    for (const text of numbers(0, 20)) {
      put(buffer, 'pump-1', text)
      await buffer.inlet('pump-1').stored()
    }
    const batches = await takeRecords(buffer, 'pump-1', 20)
    expect(batches.map(({ count }) => count)).toEqual([1, 19])
    expect(recordsOf(batches).map(({ text }) => text)).toEqual(numbers(0, 20))
  })

  test('records of an outage merge into few batches, in order, however many commits there were', async () => {
    const sources = { 'pump-1': {}, 'pump-2': {}, 'pump-3': {} }
    let buffer = await bench.open({ worker, sources })
    for (let index = 0; index < 700; index++) {
      for (const source of Object.keys(sources)) put(buffer, source, `${source}:${index}`)
      await buffer.inlet('pump-1').stored()
    }
    await bench.close(buffer)
    buffer = await bench.open({ worker, sources })
    expect(outletOf(buffer, 'pump-2').buffered().records).toBe(700)
    for (const source of Object.keys(sources)) await outletOf(buffer, source).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    for (const source of Object.keys(sources)) {
      const batches = await takeRecords(buffer, source, 700)
      const records = recordsOf(batches)
      expect(records.map(({ text }) => text)).toEqual(Array.from({ length: 700 }, (_, index) => `${source}:${index}`))
      expect(isContiguous(records)).toBe(true)
      expect(batches.length).toBeLessThan(20)
    }
  })

  test('a second process on the same directory is refused', async () => {
    await bench.open({ worker })
    await expect(bench.open({ worker })).rejects.toMatchObject({ code: 'state_locked' })
  })

  test('what is acknowledged as stored is there after a power cut', async () => {
    const buffer = await bench.open({ worker })
    for (const text of numbers(0, 300)) put(buffer, 'pump-1', text)
    await buffer.inlet('pump-1').stored()
    const copy = bench.cut()
    try {
      const reopened = await copy.open({ worker })
      expect(outletOf(reopened).buffered().records).toBe(300)
    } finally {
      await copy.end()
    }
  })

  test('sessions only go up, also over a restart and above what the core has seen', async () => {
    let buffer = await bench.open({ worker })
    expect(await buffer.nextSession()).toBe(1)
    expect(await buffer.nextSession(41)).toBe(42)
    await bench.close(buffer)
    buffer = await bench.open({ worker })
    expect(await buffer.nextSession()).toBe(43)
  })

  test('a source that is not configured any more still drains', async () => {
    let buffer = await bench.open({ worker })
    await outletOf(buffer).assign(ASSIGNMENT)
    put(buffer, 'pump-1', 'last words')
    await buffer.inlet('pump-1').stored()
    await bench.close(buffer)
    buffer = await bench.open({ worker, sources: { other: {} } })
    buffer.attachLink(() => {})
    expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))[0]?.text).toBe('last words')
  })
})

describe('when a commit happens', () => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench()
  })
  afterEach(() => bench.end())

  test('a settled batch that may wait does not hold up records that may wait 50 ms', async () => {
    const clock = new SimulatedClock()
    const buffer = await bench.open({ clock, sources: { 'pump-1': { durabilityMs: 50 } } })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    put(buffer, 'pump-1', 'first')
    await clock.pass(60)
    const [batch] = await takeRecords(buffer, 'pump-1', 1)
    outletOf(buffer).settle((batch?.sequence ?? 0) + 1)
    put(buffer, 'pump-1', 'second')
    let isStored = false
    void buffer
      .inlet('pump-1')
      .stored()
      .then(() => (isStored = true))
    await clock.pass(55)
    await until('the second record is on disk', () => isStored, 1_000)
  })

  test.each([
    [undefined, false],
    [20e9, true],
  ])(
    'within durability, a record is on disk as soon as a budget of %s bytes a day affords it',
    async (flashBytesPerDay, isSoon) => {
      const clock = new SimulatedClock()
      const sources = { 'pump-1': { durabilityMs: 1_000 } }
      const buffer = await bench.open({ clock, sources, ...(flashBytesPerDay !== undefined && { flashBytesPerDay }) })
      const isStoredWithin = async (ms: number) => {
        let isStored = false
        const stored = buffer.inlet('pump-1').stored()
        void stored.then(() => (isStored = true))
        await clock.pass(ms)
        return isStored
      }
      put(buffer, 'pump-1', 'first')
      expect(await isStoredWithin(10)).toBe(true)
      put(buffer, 'pump-1', 'second')
      expect(await isStoredWithin(10)).toBe(isSoon)
      await clock.pass(1_000)
    },
  )

  test('a commit that fails leaves nobody with a promise that was not kept', async () => {
    const clock = new SimulatedClock()
    const { folder } = bench
    const store = openInlineStore({
      path: `${folder}/b.db`,
      marksPath: `${folder}/marks.json`,
      quotaBytes: 2 ** 24,
      limits: BUFFER_LIMITS,
    })
    let isFull = true
    const commit: typeof store.commit = async what => {
      if (isFull) throw new HeadraceError('disk_full', 'no space left on device')
      return store.commit(what)
    }
    const settings = { source: 'pump-1', topic: 't', whenFull: 'block', priority: 0, durabilityMs: 0 } as const
    const marks = { version: 1 as const, session: 0, sources: {} }
    const alarms = new Alarms(clock)
    const deps = { gateway: 'g', stateDir: folder, quotaBytes: 2 ** 24, rewindBytes: 2 ** 20, clock, log: silentLogger, alarms }
    const renewal = { replace: async () => store, closed: () => {} }
    const renewable = new RenewableStore({ ...store, commit }, renewal)
    const buffer = new SqliteEdgeBuffer(renewable, [settings], marks, 'instance', deps)
    put(buffer, 'pump-1', 'kept in memory')
    const promises = { early: false, late: false }
    void buffer
      .inlet('pump-1')
      .stored()
      .then(() => (promises.early = true))
    await new Promise(resolve => setImmediate(resolve))
    void buffer
      .inlet('pump-1')
      .stored()
      .then(() => (promises.late = true))
    for (let round = 0; round < 5; round++) await clock.pass(1_000)
    expect(promises).toEqual({ early: false, late: false })
    expect(alarms.list()).toMatchObject([{ code: 'disk_full' }])
    isFull = false
    await clock.pass(1_100)
    await until('both are kept', () => promises.early && promises.late, 1_000)
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await clock.pass(10)
    expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))[0]?.text).toBe('kept in memory')
    expect(alarms.list()).toEqual([])
    await buffer.close()
  })
})

test('records of a commit that failed in the other thread are written by the next one', async () => {
  const bench = new Bench()
  const buffer = await bench.open({ worker: 'thread', sources: { 'pump-1': { durabilityMs: 10 } } })
  // Another connection holds the file for longer than the buffer waits for it.
  const holder = new Database(`${bench.folder}/edge/buffer.db`)
  holder.exec('BEGIN IMMEDIATE')
  for (const text of numbers(0, 50)) put(buffer, 'pump-1', text)
  await until('the commit has failed', () => bench.alarms.list().length > 0)
  holder.exec('ROLLBACK')
  holder.close()
  await buffer.inlet('pump-1').stored()
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  const records = recordsOf(await takeRecords(buffer, 'pump-1', 50))
  expect(records.map(({ text }) => text)).toEqual(numbers(0, 50))
  expect(isContiguous(records)).toBe(true)
  await bench.end()
}, 30_000)
