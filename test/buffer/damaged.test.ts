import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ASSIGNMENT,
  Bench,
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

describe.each(PLACES)('blocks that lie %s', (_where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench(limits)
  })
  afterEach(() => bench.end())

  describe('when the disk gives back other rows', () => {
    const ROWS: readonly (readonly [string, string])[] = [
      ['how many records a block has', 'UPDATE block SET count = ~count WHERE id = 2'],
      ['whose block it is', "UPDATE block SET source = (SELECT id FROM source WHERE name = 'pump-2') WHERE id = 2"],
      ['the time of its last record', 'UPDATE block SET time_ms = ~time_ms WHERE id = 2'],
      ['the number of a batch', 'UPDATE block SET first = first + 256 WHERE id = 3'],
      ['where numbers go on', "UPDATE source SET next = next + 256 WHERE name = 'pump-1'"],
      ['up to where the log has them', "UPDATE source SET settled = settled + 256 WHERE name = 'pump-1'"],
      ['where a source reads on', "UPDATE bookmark SET token = '9' || substr(token, 2)"],
    ]

    test.each(ROWS)(
      '%s: other records, or other numbers, were sent and nothing said; it is a damaged database',
      async (_what, sql) => {
        const sources = { 'pump-1': {}, 'pump-2': {} }
        const before = await bench.open({ sources })
        for (const source of Object.keys(sources)) await outletOf(before, source).assign(ASSIGNMENT)
        for (const [source, from] of [
          ['pump-1', 0],
          ['pump-1', 10],
          ['pump-2', 20],
        ] as const) {
          for (let number = from; number < from + 10; number++) {
            const bytes = Buffer.from(noise(number))
            before.inlet(source).append(Date.now(), bytes, 0, bytes.length, undefined, `${number}`)
          }
          await before.inlet(source).stored()
        }
        before.attachLink(() => {})
        await takeRecords(before, 'pump-2', 10)
        await bench.close(before)
        const db = new Database(join(bench.folder, 'edge', 'buffer.db'))
        expect(db.prepare(sql).run().changes).toBeGreaterThan(0)
        db.close()

        const buffer = await bench.open({ sources })
        expect(bench.alarms.list().map(({ code }) => code)).toContain('buffer_damaged')
        const outlet = outletOf(buffer)
        await outlet.rewind(0)
        buffer.attachLink(() => {})
        const records = recordsOf(await takeRecords(buffer, 'pump-1', outlet.next))
        expect(isContiguous(records)).toBe(true)
        expect(records.every(({ text }) => text === null)).toBe(true)
        expect(readdirSync(join(bench.folder, 'edge')).some(name => name.startsWith('damaged-'))).toBe(true)
      },
    )
  })

  describe('when the disk gives back other bytes', () => {
    async function cutBatches(): Promise<void> {
      const buffer = await bench.open()
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      for (let number = 0; number < 30; number++) {
        put(buffer, 'pump-1', `${number}`)
        if (number % 10 === 9) await takeRecords(buffer, 'pump-1', 10)
      }
      await bench.close(buffer)
    }

    test('a damaged batch is a placeholder of as many numbers, and what follows keeps its place', async () => {
      await cutBatches()
      expect(bench.damageBlocks('first = 10')).toBe(1)
      const buffer = await bench.open()
      buffer.attachLink(() => {})
      const records = recordsOf(await takeRecords(buffer, 'pump-1', 30))
      expect(isContiguous(records)).toBe(true)
      expect(records.map(({ text }) => text)).toEqual([
        ...Array.from({ length: 10 }, (_, index) => `${index}`),
        ...Array(10).fill(null),
        ...Array.from({ length: 10 }, (_, index) => `${20 + index}`),
      ])
      expect(records[10]?.gap).toMatchObject({ records: 10, reason: 'buffer_lost' })
      expect(bench.alarms.list().map(({ code }) => code)).toContain('buffer_damaged')
    })

    test('a damaged batch that the log has already is known by its numbers, and does not freeze its source', async () => {
      await cutBatches()
      bench.damageBlocks('first = 10')
      const buffer = await bench.open()
      expect(await outletOf(buffer).batchBefore(20)).toEqual({ sequence: 10, count: 10, crc: null })
      expect(await outletOf(buffer).batchBefore(10)).toMatchObject({ sequence: 0, count: 10, crc: expect.any(Number) })
      outletOf(buffer).settle(20)
      buffer.attachLink(() => {})
      expect(recordsOf(await takeRecords(buffer, 'pump-1', 10)).map(({ text }) => text)).toEqual(
        Array.from({ length: 10 }, (_, index) => `${20 + index}`),
      )
    })

    test('as many damaged batches as are read at once were neither sent again nor said to be gone: the core asked for them for ever', async () => {
      await cutBatches()
      expect(bench.damageBlocks('first < 20')).toBe(2)
      const outlet = outletOf(await bench.open({ limits: { keptAtOnce: 2 } }))
      expect(await outlet.kept(0, 30)).toEqual({ batches: [], gone: [{ from: 0, to: 20 }] })
      expect(await outlet.kept(5, 15)).toEqual({ batches: [], gone: [{ from: 5, to: 15 }] })
      expect((await outlet.kept(20, 30)).batches).toHaveLength(1)
    })

    test('a damaged block of the backlog is declared by the batch that is made of the rest', async () => {
      let buffer = await bench.open()
      for (let number = 0; number < 30; number++) {
        put(buffer, 'pump-1', `${number}`)
        if (number % 10 === 9) await buffer.inlet('pump-1').stored()
      }
      await bench.close(buffer)
      expect(bench.damageBlocks('true', 1)).toBe(1)
      buffer = await bench.open()
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const records = recordsOf(await takeRecords(buffer, 'pump-1', 20))
      expect(records.map(({ text }) => text)).toEqual(Array.from({ length: 20 }, (_, index) => `${10 + index}`))
      expect(records[0]?.gap).toMatchObject({ records: 10, reason: 'buffer_lost' })
    })

    test('a database that is damaged is moved aside, and no number is given away twice', async () => {
      await cutBatches()
      writeFileSync(join(bench.folder, 'edge', 'buffer.db'), randomBytes(40_000))
      const buffer = await bench.open()
      const outlet = outletOf(buffer)
      expect(outlet.next).toBeGreaterThanOrEqual(30)
      expect(outlet.assignment).toEqual(ASSIGNMENT)
      const aside = readdirSync(join(bench.folder, 'edge')).find(name => name.startsWith('damaged-'))
      expect(aside && existsSync(join(bench.folder, 'edge', aside, 'buffer.db'))).toBe(true)
      const { next } = outlet
      // The log ends at 20: the gateway fills up to what it may have given away.
      await outlet.fill(20, next)
      buffer.attachLink(() => {})
      const records = recordsOf(await takeRecords(buffer, 'pump-1', next - 20))
      expect(isContiguous(records, 20)).toBe(true)
      expect(records.every(({ text }) => text === null)).toBe(true)
      put(buffer, 'pump-1', 'goes on')
      expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))).toMatchObject([{ sequence: next, text: 'goes on' }])
    })

    test('marks that cannot be read stop the start, with what to do', async () => {
      await cutBatches()
      writeFileSync(join(bench.folder, 'edge', 'marks.json'), '{"version":1')
      await expect(bench.open()).rejects.toMatchObject({ code: 'buffer_corrupt', advice: expect.stringContaining('backup') })
    })
  })

  test('a database that cannot be opened for another reason than damage is not moved aside', async () => {
    const path = join(bench.folder, 'edge', 'buffer.db')
    mkdirSync(path, { recursive: true })
    await expect(bench.open()).rejects.toMatchObject({ code: 'disk_unusable', advice: expect.stringContaining('permissions') })
    expect(readdirSync(join(bench.folder, 'edge')).filter(name => name.startsWith('damaged-'))).toEqual([])
    expect(existsSync(path)).toBe(true)
  })

  test('a buffer that was restored from an older copy does not send its backlog a second time when it is resumed', async () => {
    const before = await bench.open()
    await outletOf(before).assign(ASSIGNMENT)
    for (const from of [0, 10, 20]) await fill(before, 'pump-1', from, 10)
    await bench.close(before)

    // The log ends far above what this copy knows: what it held then was sent long ago.
    const buffer = await bench.open()
    await fill(buffer, 'pump-1', 30, 1)
    await outletOf(buffer).freeze({ code: 'log_ahead', message: 'm', advice: 'a' })
    await fill(buffer, 'pump-1', 31, 1)
    await bench.close(buffer)

    const again = await bench.open()
    await fill(again, 'pump-1', 32, 1)
    again.attachLink(() => {})
    await outletOf(again).resume({ ...ASSIGNMENT, epoch: 1, epochStart: 500 }, 500)
    const records = recordsOf(await takeRecords(again, 'pump-1', 4))
    expect(records[0]).toMatchObject({ sequence: 500, text: null, gap: { records: 30, reason: 'resumed' } })
    expect(records.slice(1).map(({ text }) => numberOf(text))).toEqual([30, 31, 32])
    expect(outletOf(again).buffered().records).toBe(4)
    const aside = readdirSync(join(bench.folder, 'edge', 'set-aside'))
    const lines = aside.flatMap(name =>
      readFileSync(join(bench.folder, 'edge', 'set-aside', name), 'utf8')
        .trim()
        .split('\n'),
    )
    expect(lines.length).toBe(30)
  })

  test('a database that went back to a time in which it was frozen does not send what it held then a second time when it is resumed', async () => {
    const before = await bench.open()
    await outletOf(before).assign(ASSIGNMENT)
    await outletOf(before).freeze({ code: 'log_ahead', message: 'm', advice: 'a' })
    for (const from of [0, 10, 20]) await fill(before, 'pump-1', from, 10)
    await bench.close(before)

    // It had been resumed then, and all of it was sent under the next epoch: this the log knows alone.
    const buffer = await bench.open()
    expect(outletOf(buffer).frozen?.olderBlocks).toBeUndefined()
    await outletOf(buffer).freeze({ code: 'epoch_ahead', message: 'm', advice: 'a' })
    await fill(buffer, 'pump-1', 30, 1)
    buffer.attachLink(() => {})
    await outletOf(buffer).resume({ ...ASSIGNMENT, epoch: 2, epochStart: 500 }, 500)
    const records = recordsOf(await takeRecords(buffer, 'pump-1', 2))
    expect(records[0]).toMatchObject({ sequence: 500, text: null, gap: { records: 30, reason: 'resumed' } })
    expect(records.slice(1).map(({ text }) => numberOf(text))).toEqual([30])
  })

  test('what stands for a lost database is cut anew behind what the log has of it: the source was frozen', async () => {
    const before = await bench.open()
    await outletOf(before).assign(ASSIGNMENT)
    before.attachLink(() => {})
    for (let number = 0; number < 5; number++) put(before, 'pump-1', `${number}`)
    await takeRecords(before, 'pump-1', 5)
    await bench.close(before)
    bench.loseDatabase()
    const buffer = await bench.open()
    const outlet = outletOf(buffer)
    const { next } = outlet
    await outlet.rewind(1)
    // The log ended at 1 when it was asked, and at 3 a moment later.
    const around = await outlet.batchBefore(3)
    expect(around).toMatchObject({ sequence: 1, count: next - 1 })
    expect(around?.standsForLost?.()).toBe(true)
    await outlet.rewind(3)
    expect(await outlet.batchBefore(3)).toBeUndefined()
    await bench.close(buffer)
    const again = await bench.open()
    again.attachLink(() => {})
    put(again, 'pump-1', 'after')
    const records = recordsOf(await takeRecords(again, 'pump-1', next - 3 + 1))
    expect(records[0]).toMatchObject({ sequence: 3, text: null, gap: { records: next - 3, reason: 'buffer_lost' } })
    expect(records.map(({ sequence }) => sequence)).toEqual(Array.from({ length: next - 2 }, (_, index) => index + 3))
    expect(records.at(-1)).toMatchObject({ sequence: next, text: 'after' })
  })
})
