import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, outletOf, recordsOf, takeRecords } from './harness.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

function put(buffer: EdgeBuffer, text: string, bookmark?: string | null): 'taken' | 'dropped' | 'too_large' | 'full' {
  const bytes = Buffer.from(text)
  return buffer.inlet('pump-1').append(1_000, bytes, 0, bytes.length, undefined, bookmark)
}

async function textsOf(buffer: EdgeBuffer): Promise<(string | null)[]> {
  const outlet = outletOf(buffer)
  const { records } = outlet.buffered()
  buffer.attachLink(() => {})
  await outlet.assign(ASSIGNMENT)
  return recordsOf(await takeRecords(buffer, 'pump-1', records)).map(({ text }) => text)
}

test('wherever the power is cut, the bookmark is that of the last record on disk, and groups are whole', async () => {
  const random = new SeededRandom(seedOfRun('a cut between records and bookmarks'))
  const buffer = await bench.open()
  const expected: string[] = []
  const cuts: Bench[] = []
  for (let line = 0; line < 300; line++) {
    // Some lines become several records; only the last one of a line may move the bookmark.
    const parts = random.between(1, 4)
    for (let part = 0; part < parts; part++) {
      const isLast = part === parts - 1
      const text = `${line}.${part}${isLast ? '!' : ''} ${'x'.repeat(random.between(0, 3_000))}`
      put(buffer, text, isLast ? String(line) : null)
      expected.push(text)
    }
    if (line % 25 === 3) await buffer.inlet('pump-1').stored()
    if (line % 25 === 24) {
      await new Promise(resolve => setImmediate(resolve))
      cuts.push(bench.cut())
    }
  }
  await bench.close(buffer)
  cuts.push(bench.cut())
  const seen = new Set<string | undefined>()
  for (const copy of cuts) {
    const again = await copy.open()
    const { bookmark } = again.inlet('pump-1')
    seen.add(bookmark)
    const texts = outletOf(again).buffered().records > 0 ? await textsOf(again) : []
    expect(texts).toEqual(expected.slice(0, texts.length))
    const last = texts.at(-1)?.split(' ')[0]
    expect(last?.endsWith('!') ?? true).toBe(true)
    expect(last?.split('.')[0]).toBe(bookmark)
    await copy.end()
  }
  expect(seen.size).toBeGreaterThan(2)
})

test('a group is taken whole, however full the buffer is, and nothing of the next one', async () => {
  const buffer = await bench.open({ sources: { 'pump-1': { whenFull: 'block', durabilityMs: 60_000 } } })
  const big = 'x'.repeat(100_000)
  let groups = 0
  while (put(buffer, big, null) === 'taken') {
    for (let part = 0; part < 8; part++) expect(put(buffer, big, null)).toBe('taken')
    expect(put(buffer, big, String(groups++))).toBe('taken')
  }
  await buffer.inlet('pump-1').stored()
  expect(buffer.inlet('pump-1').bookmark).toBe(String(groups - 1))
  expect(outletOf(buffer).buffered().records).toBe(groups * 10)
})

test('the bookmark of records that were given up does not count', async () => {
  const buffer = await bench.open({ quotaBytes: 256 * 1024, sources: { 'pump-1': { whenFull: 'drop_newest', durabilityMs: 0 } } })
  put(buffer, 'first', 'first')
  await buffer.inlet('pump-1').stored()
  for (let n = 0; n < 20; n++) put(buffer, 'x'.repeat(100_000), `big ${n}`)
  await until('some were dropped', () => buffer.inlet('pump-1').counts().dropped > 0)
  expect(buffer.inlet('pump-1').bookmark).not.toBe('big 19')
})

test('a database of the first version is brought up to this one, with what it holds', async () => {
  const first = await bench.open()
  put(first, 'old')
  await bench.close(first)
  const database = new Database(join(bench.folder, 'edge', 'buffer.db'))
  database.exec('DROP TABLE bookmark')
  for (const column of ['length', 'crc', 'place', 'sum']) database.exec(`ALTER TABLE block DROP COLUMN ${column}`)
  database.exec('ALTER TABLE source DROP COLUMN sum')
  database.pragma('user_version = 1')
  database.close()
  const buffer = await bench.open()
  expect(buffer.inlet('pump-1').bookmark).toBeUndefined()
  put(buffer, 'new', 'here')
  await buffer.inlet('pump-1').stored()
  expect(buffer.inlet('pump-1').bookmark).toBe('here')
  expect(await textsOf(buffer)).toEqual(['old', 'new'])
})
