import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CutBatch, EdgeBuffer } from '../../src/buffer/buffer.ts'
import { BLOCKS_FILE, DATABASE_FILE } from '../../src/buffer/database-files.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import {
  ASSIGNMENT,
  Bench,
  declared,
  fill,
  isContiguous,
  noise,
  numberOf,
  outletOf,
  PLACES,
  put,
  recordsOf,
  takeRecords,
} from './harness.ts'

const [, IN_FILE = {}] = PLACES[1] ?? []

let bench: Bench
beforeEach(() => {
  bench = new Bench(IN_FILE)
})
afterEach(() => bench.end())

const pathOf = (file: string) => join(bench.folder, 'edge', file)
const sizeOf = (file: string) => statSync(pathOf(file), { throwIfNoEntry: false })?.size ?? 0

function places(): { id: number; first: number | null; place: string | null }[] {
  const db = new Database(pathOf(DATABASE_FILE), { readonly: true })
  try {
    return db
      .prepare<[], { id: number; first: number | null; place: string | null }>('SELECT id, first, place FROM block ORDER BY id')
      .all()
  } finally {
    db.close()
  }
}

function change(sql: string): void {
  const db = new Database(pathOf(DATABASE_FILE))
  db.exec(sql)
  db.close()
}

async function textsOf(buffer: EdgeBuffer, count: number): Promise<(string | null)[]> {
  return recordsOf(await takeRecords(buffer, 'pump-1', count)).map(({ text }) => text?.split(':')[0] ?? null)
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `${from + at}`)

describe('where a block lies', () => {
  test('in its row, where a commit has little, or the block is small; in the file where there is much', async () => {
    const limits = { fileQuotaBytes: 1, fileBlockBytes: 8_000, fileCommitBytes: 20_000 }
    const buffer = await bench.open({ limits, sources: { 'pump-1': { durabilityMs: 0 }, 'pump-2': {}, 'pump-3': {} } })
    put(buffer, 'pump-1', randomBytes(9_000).toString('hex'))
    await buffer.inlet('pump-1').stored()
    expect(places().map(({ place }) => place)).toEqual([null])
    expect(existsSync(pathOf(BLOCKS_FILE))).toBe(false)
    put(buffer, 'pump-1', randomBytes(9_000).toString('hex'))
    put(buffer, 'pump-2', randomBytes(9_000).toString('hex'))
    put(buffer, 'pump-3', 'small')
    await Promise.all(['pump-1', 'pump-2', 'pump-3'].map(source => buffer.inlet(source).stored()))
    expect(places().map(({ place }) => place)).toEqual([null, '0+5', '5+5', null])
    expect(sizeOf(BLOCKS_FILE)).toBe(10 * 4_096)
  })

  test('a batch that was encoded with the numbers that it gets stays where it lies when it gets them', async () => {
    const buffer = await bench.open()
    await outletOf(buffer).assign(ASSIGNMENT)
    for (let number = 0; number < 3; number++) {
      put(buffer, 'pump-1', `${number}:${randomBytes(20_000).toString('hex')}`)
      await buffer.inlet('pump-1').stored()
    }
    const before = places()
    expect(before.map(({ first }) => first)).toEqual([null, null, null])
    buffer.attachLink(() => {})
    expect(await textsOf(buffer, 3)).toEqual(upTo(3))
    const after = places()
    expect(after.map(({ first }) => first)).toEqual([0, 1, 2])
    expect(after.map(({ place }) => place)).toEqual(before.map(({ place }) => place))
    expect(after.map(({ place }) => place)).not.toContain(null)
  })

  test('what comes free is used again: the file is as large as what is kept, not as all that went through', async () => {
    const buffer = await bench.open({ rewindBytes: 200_000 })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    let end = 0
    for (let round = 0; round < 100; round++) {
      await fill(buffer, 'pump-1', round * 20, 20)
      while (end < (round + 1) * 20) {
        const [batch] = await takeRecords(buffer, 'pump-1', 1)
        if (!batch) break
        end = batch.sequence + batch.count
        outletOf(buffer).settle(end)
      }
    }
    expect(sizeOf(BLOCKS_FILE)).toBeGreaterThan(100_000)
    expect(sizeOf(BLOCKS_FILE)).toBeLessThan(600_000)
  })

  test.each([1, 2, 3])('database and file together stay within the quota, whatever comes in whatever turns (%i)', async run => {
    const quotaBytes = 2 * 2 ** 20
    const random = new SeededRandom(seedOfRun(`quota ${run}`))
    // As with the bounds outside, what stays free of the quota holds several batches in either place.
    const small = { blockBytes: 16_000, mergeBytes: 12_000, pendingBytesPerSource: 200_000 }
    const limits = { ...IN_FILE, ...small, fileBlockBytes: random.pick([1, 8_000]), fileCommitBytes: random.pick([1, 30_000]) }
    const sources = { 'pump-1': { whenFull: 'drop_oldest' }, 'pump-2': { whenFull: 'block' } } as const
    let buffer = await bench.open({ quotaBytes, limits, sources })
    for (const source of Object.keys(sources)) await outletOf(buffer, source).assign(ASSIGNMENT)
    let isAttached = false
    const taken: Record<string, CutBatch[]> = { 'pump-1': [], 'pump-2': [] }
    for (let step = 0; step < 300; step++) {
      const source = random.pick(Object.keys(sources))
      const bytes = random.pick([20, 400, 4_000, 7_000])
      for (let count = random.between(1, 30); count > 0; count--) put(buffer, source, randomBytes(bytes).toString('hex'))
      await new Promise(resolve => setTimeout(resolve, 1))
      if (random.next() < 0.1) {
        isAttached = !isAttached
        if (isAttached) buffer.attachLink(() => {})
        else buffer.detachLink()
      }
      for (const each of isAttached ? buffer.outlets() : []) {
        for (let batch = each.take(); batch; batch = each.take()) {
          taken[batch.source]?.push(batch)
          each.settle(batch.sequence + batch.count)
        }
      }
      expect(sizeOf(DATABASE_FILE) + sizeOf(BLOCKS_FILE)).toBeLessThanOrEqual(quotaBytes)
      expect(buffer.disk().usedBytes).toBeLessThanOrEqual(quotaBytes)
      expect(bench.alarms.list().map(({ code }) => code)).not.toContain('disk_full')
    }
    await bench.close(buffer)
    buffer = await bench.open({ quotaBytes, limits, sources })
    buffer.attachLink(() => {})
    for (const source of Object.keys(sources)) {
      const outlet = outletOf(buffer, source)
      await until(`${source} is empty`, () => {
        for (let batch = outlet.take(); batch; batch = outlet.take()) {
          taken[source]?.push(batch)
          outlet.settle(batch.sequence + batch.count)
        }
        return outlet.buffered().records === 0
      })
      expect(isContiguous(recordsOf(taken[source] ?? []))).toBe(true)
    }
    expect(bench.alarms.list().map(({ code }) => code)).not.toContain('buffer_damaged')
  })
})

describe('when a commit does not get to the disk', () => {
  test('what lay in the file before it is whole, and what it wrote is written again: pages that it gave back are not used in it', async () => {
    const buffer = await bench.open({ quotaBytes: 2 ** 20, rewindBytes: 0 })
    const outlet = outletOf(buffer)
    await outlet.assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await fill(buffer, 'pump-1', 0, 30)
    const batches = await takeRecords(buffer, 'pump-1', 30)
    const before = bench.cut()
    // The last row of the next commit is refused, when all pages of it are written: what it forgets is there still.
    change("CREATE TRIGGER refused BEFORE INSERT ON block BEGIN SELECT RAISE(ABORT, 'refused'); END")
    outlet.settle(30)
    for (let number = 30; number < 40; number++) put(buffer, 'pump-1', noise(number))
    await until('it was refused', () => bench.alarms.list().length > 0)
    await bench.close(buffer).catch(() => {})
    change('DROP TRIGGER refused')
    const again = await bench.open({ quotaBytes: 2 ** 20, rewindBytes: 2 ** 20 })
    again.attachLink(() => {})
    const kept = await outletOf(again).kept(0, 30)
    expect(kept.gone).toEqual([])
    expect(kept.batches.map(({ bytes }) => bytes.toString('hex'))).toEqual(batches.map(({ bytes }) => bytes.toString('hex')))
    await before.end()
  })
})

describe('when something else lies where a block was written', () => {
  async function backlog(count: number, from = 0): Promise<void> {
    const buffer = await bench.open()
    await outletOf(buffer).assign(ASSIGNMENT)
    await fill(buffer, 'pump-1', from, count)
    await bench.close(buffer)
  }

  async function drained(count: number): Promise<ReturnType<typeof recordsOf>> {
    const buffer = await bench.open()
    buffer.attachLink(() => {})
    return recordsOf(await takeRecords(buffer, 'pump-1', count))
  }

  test('blocks of a newer time, whole in themselves, are not taken for those of an older copy of the database', async () => {
    await backlog(10)
    const older = bench.cut()
    const first = await bench.open({ rewindBytes: 0 })
    first.attachLink(() => {})
    await takeRecords(first, 'pump-1', 10)
    outletOf(first).settle(10)
    await until('they are forgotten', () => places().length === 0)
    await bench.close(first)
    await backlog(10, 100)
    copyFileSync(join(older.folder, 'edge', DATABASE_FILE), pathOf(DATABASE_FILE))
    for (const ending of ['-wal', '-shm']) rmSync(pathOf(`${DATABASE_FILE}${ending}`), { force: true })
    const records = await drained(1)
    expect(records).toMatchObject([{ text: null, gap: { records: 10, reason: 'buffer_lost' } }])
    await older.end()
  })

  test('a file that is gone is a gap of what lay in it', async () => {
    await backlog(10)
    rmSync(pathOf(BLOCKS_FILE))
    expect(declared(await drained(1))).toBe(10)
  })

  test('a file that ends too early is a gap of what lay behind its end', async () => {
    await backlog(30)
    writeFileSync(pathOf(BLOCKS_FILE), '', { flag: 'r+' })
    const db = new Database(pathOf(DATABASE_FILE), { readonly: true })
    const [, second] = places()
    db.close()
    const page = Number(second?.place?.split('+')[0])
    const { truncateSync } = await import('node:fs')
    truncateSync(pathOf(BLOCKS_FILE), page * 4_096 + 100)
    const records = await drained(10)
    expect(records.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: 10 }, (_, at) => at))
  })

  test.each([
    ['two rows name the same pages', 'UPDATE block SET place = (SELECT place FROM block LIMIT 1)'],
    ['a place is none', "UPDATE block SET place = 'nowhere'"],
  ])('%s: the database is damaged, and moved aside with the file', async (_what, sql) => {
    await backlog(30)
    change(sql)
    const size = sizeOf(BLOCKS_FILE)
    const buffer = await bench.open()
    expect(bench.alarms.list().map(({ code }) => code)).toContain('buffer_damaged')
    const [aside = ''] = readdirSync(join(bench.folder, 'edge')).filter(name => name.startsWith('damaged-'))
    expect(statSync(join(bench.folder, 'edge', aside, BLOCKS_FILE)).size).toBe(size)
    expect(existsSync(pathOf(BLOCKS_FILE))).toBe(false)
    await bench.close(buffer)
  })

  test('a database that is lost leaves nothing in the file', async () => {
    await backlog(30)
    for (const ending of ['', '-wal', '-shm']) rmSync(pathOf(`${DATABASE_FILE}${ending}`), { force: true })
    await bench.close(await bench.open())
    expect(sizeOf(BLOCKS_FILE)).toBe(0)
  })
})
