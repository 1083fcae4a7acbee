import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
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

const SMALL_QUOTA = 400 * 1024

/** Every commit takes one block of each source, so that what has no room is looked for among those whose turn it is. */
const ONE_AT_A_TIME = ['in their rows, one at a time', { commitBytes: 1, blockRecords: 5 }] as const

describe.each([...PLACES, ONE_AT_A_TIME])('blocks that lie %s', (_where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench(limits)
  })
  afterEach(() => bench.end())

  describe('when the disk has no more room', () => {
    test('drop_oldest: the newest stay, and the next record says how many are missing before it', async () => {
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources: { 'pump-1': { whenFull: 'drop_oldest' } } })
      await fill(buffer, 'pump-1', 0, 1_000)
      const kept = outletOf(buffer).buffered().records
      expect(kept).toBeLessThan(500)
      expect(buffer.inlet('pump-1').counts().dropped).toBe(1_000 - kept)
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const records = recordsOf(await takeRecords(buffer, 'pump-1', kept))
      expect(records[0]?.gap).toMatchObject({ records: 1_000 - kept, reason: 'buffer_full' })
      expect(declared(records)).toBe(1_000 - kept)
      expect(records.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: kept }, (_, index) => 1_000 - kept + index))
      expect(isContiguous(records)).toBe(true)
    })

    test('drop_oldest, many small blocks right after a start: each takes a page of its own, and what had not been looked at yet stayed in their place', async () => {
      const names = Array.from({ length: 20 }, (_, at) => `valve-${at}`)
      const whenFull = 'drop_oldest' as const
      const sources = { 'pump-1': { whenFull }, ...Object.fromEntries(names.map(name => [name, { whenFull }])) }
      const before = await bench.open({ quotaBytes: SMALL_QUOTA, sources })
      await fill(before, 'pump-1', 0, 1_000)
      await bench.close(before)
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources })
      for (const name of names) put(buffer, name, 'newest')
      for (const name of names) await buffer.inlet(name).stored()
      expect(names.map(name => buffer.inlet(name).counts().dropped)).toEqual(names.map(() => 0))
      expect(buffer.inlet('pump-1').counts().dropped).toBeGreaterThan(0)
    })

    test('drop_oldest, stopped while much waits for what gives way: it is written, in as many commits as that takes', async () => {
      const whenFull = 'drop_oldest' as const
      const full = await bench.open({ quotaBytes: SMALL_QUOTA, sources: { 'pump-1': { whenFull } } })
      await fill(full, 'pump-1', 0, 1_000)
      await bench.close(full)
      const sources = { 'pump-1': { whenFull, durabilityMs: 3_600_000 } }
      const before = await bench.open({ quotaBytes: SMALL_QUOTA, sources })
      const records = 1_150
      for (let number = 1_000; number < records; number++) put(before, 'pump-1', noise(number))
      await bench.close(before)
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources })
      const kept = outletOf(buffer).buffered().records
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const delivered = recordsOf(await takeRecords(buffer, 'pump-1', kept))
      expect(numberOf(delivered.at(-1)?.text ?? null)).toBe(records - 1)
      expect(declared(delivered) + kept).toBe(records)
    })

    test('drop_oldest, many at once where what is old is small: as much as one commit lets go was not enough, and the newest were lost', async () => {
      const whenFull = 'drop_oldest' as const
      const sources = { 'pump-1': { whenFull } }
      const limits = { deletesPerCommit: 1 }
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources, limits })
      await fill(buffer, 'pump-1', 0, 1_000)
      for (let number = 1_000; number < 1_100; number++) put(buffer, 'pump-1', noise(number))
      await buffer.inlet('pump-1').stored()
      const kept = outletOf(buffer).buffered().records
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const delivered = recordsOf(await takeRecords(buffer, 'pump-1', kept))
      expect(delivered.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: kept }, (_, at) => 1_100 - kept + at))
    })

    test('that the oldest give way is said to a person: it stood in the log of the gateway alone', async () => {
      const quotaBytes = 2 ** 20
      const buffer = await bench.open({ quotaBytes, rewindBytes: 2 ** 30, sources: { 'pump-1': { whenFull: 'drop_oldest' } } })
      await outletOf(buffer).assign(ASSIGNMENT)
      await fill(buffer, 'pump-1', 0, 200)
      expect(bench.alarms.list()).toEqual([])
      await fill(buffer, 'pump-1', 200, 2_000)
      expect(bench.alarms.list()).toMatchObject([{ code: 'buffer_full', source: 'pump-1' }])
      buffer.attachLink(() => {})
      const end = outletOf(buffer).buffered().records
      for (let at = 0; at < end; ) {
        const [batch] = await takeRecords(buffer, 'pump-1', 1)
        if (!batch) break
        at = batch.sequence + batch.count
        outletOf(buffer).settle(at)
      }
      await until('it ends', () => bench.alarms.list().length === 0)
    })

    test('a gap that no record has declared yet outlives a power cut', async () => {
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources: { 'pump-1': { whenFull: 'drop_oldest' } } })
      for (let number = 0; number < 1_000; number++) {
        put(buffer, 'pump-1', noise(number))
        if (number % 10 === 9) await buffer.inlet('pump-1').stored()
      }
      await buffer.inlet('pump-1').stored()
      const copy = bench.cut()
      try {
        const reopened = await copy.open({ quotaBytes: SMALL_QUOTA })
        const kept = outletOf(reopened).buffered().records
        await outletOf(reopened).assign(ASSIGNMENT)
        reopened.attachLink(() => {})
        expect(declared(recordsOf(await takeRecords(reopened, 'pump-1', kept))) + kept).toBe(1_000)
      } finally {
        await copy.end()
      }
    })

    test('drop_newest: what was first stays, and who comes after says what is missing', async () => {
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources: { 'pump-1': { whenFull: 'drop_newest' } } })
      await fill(buffer, 'pump-1', 0, 1_000)
      const kept = outletOf(buffer).buffered().records
      expect(kept).toBeLessThan(500)
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const first = await takeRecords(buffer, 'pump-1', kept)
      outletOf(buffer).settle(kept)
      await fill(buffer, 'pump-1', 1_000, 1)
      const records = recordsOf([...first, ...(await takeRecords(buffer, 'pump-1', 1))])
      expect(records.slice(0, kept).map(({ text }) => numberOf(text))).toEqual(Array.from({ length: kept }, (_, index) => index))
      expect(declared(records) + records.length).toBe(1_001)
      expect(isContiguous(records)).toBe(true)
    })

    test('block: the device waits until there is room, and nothing is missing', async () => {
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources: { 'pump-1': { whenFull: 'block' } } })
      await outletOf(buffer).assign(ASSIGNMENT)
      let number = 0
      while (put(buffer, 'pump-1', noise(number)) === 'taken') {
        number += 1
        await new Promise(resolve => setImmediate(resolve))
      }
      expect(bench.alarms.list()).toMatchObject([{ code: 'buffer_full', source: 'pump-1' }])
      let isStored = false
      void buffer
        .inlet('pump-1')
        .stored()
        .then(() => (isStored = true))
      const roomAgain = new Promise<void>(resolve => buffer.inlet('pump-1').onRoom(resolve))
      await new Promise(resolve => setTimeout(resolve, 50))
      // Nobody is told that something is on disk which only waits for room.
      expect(isStored).toBe(false)
      buffer.attachLink(() => {})
      // Settled as they go, as by a link: what waits in memory can be written only when others have gone.
      const taken: CutBatch[] = []
      for (let end = 0; end < number; ) {
        const [batch] = await takeRecords(buffer, 'pump-1', 1)
        if (!batch) break
        taken.push(batch)
        end = batch.sequence + batch.count
        outletOf(buffer).settle(end)
      }
      await roomAgain
      expect(put(buffer, 'pump-1', noise(number))).toBe('taken')
      const records = recordsOf(taken)
      expect(records.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: number }, (_, index) => index))
      expect(declared(records)).toBe(0)
    })

    test('a device that waited for what others had pending is read again: with nothing pending of its own it was never called', async () => {
      const sources = { 'pump-1': { whenFull: 'block' }, 'pump-2': { whenFull: 'block' } } as const
      const buffer = await bench.open({ sources, limits: { pendingBytes: 1, blockRecords: 1 } })
      expect(put(buffer, 'pump-1', 'first')).toBe('taken')
      expect(put(buffer, 'pump-2', 'second')).toBe('full')
      await new Promise<void>(resolve => buffer.inlet('pump-2').onRoom(resolve))
      expect(put(buffer, 'pump-2', 'second')).toBe('taken')
    })

    test('the alarm ends once the core has what filled the buffer, though that is kept for it: it stayed for good', async () => {
      const sources = { 'pump-1': { whenFull: 'block' as const } }
      const buffer = await bench.open({ quotaBytes: 4 * 2 ** 20, rewindBytes: 2 ** 30, sources })
      await outletOf(buffer).assign(ASSIGNMENT)
      let number = 0
      while (put(buffer, 'pump-1', randomBytes(20_000).toString('hex')) === 'taken') {
        number += 1
        await new Promise(resolve => setImmediate(resolve))
      }
      expect(bench.alarms.list()).toMatchObject([{ code: 'buffer_full' }])
      buffer.attachLink(() => {})
      for (let end = 0; end < number; ) {
        const [batch] = await takeRecords(buffer, 'pump-1', 1)
        if (!batch) break
        end = batch.sequence + batch.count
        outletOf(buffer).settle(end)
      }
      await until('it ends', () => bench.alarms.list().length === 0)
    })

    test('the source of lowest priority gives way first, also when another one fills the disk', async () => {
      const sources = { chatty: { priority: 9 }, quiet: { priority: 1 } }
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, sources })
      await fill(buffer, 'quiet', 0, 60)
      await fill(buffer, 'chatty', 0, 200)
      expect(buffer.inlet('chatty').counts().dropped).toBe(0)
      await fill(buffer, 'chatty', 200, 300)
      expect(outletOf(buffer, 'quiet').buffered().records).toBe(0)
      expect(buffer.inlet('quiet').counts().dropped).toBe(60)
    })

    test('settled batches make room before anything is lost', async () => {
      const buffer = await bench.open({ quotaBytes: SMALL_QUOTA, rewindBytes: 2 ** 30 })
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      for (let round = 0; round < 20; round++) {
        await fill(buffer, 'pump-1', round * 50, 50)
        await takeRecords(buffer, 'pump-1', 50)
        outletOf(buffer).settle((round + 1) * 50)
      }
      expect(buffer.inlet('pump-1').counts().dropped).toBe(0)
    })

    test('a value that no batch can hold is counted as missing, not as a crash', async () => {
      const buffer = await bench.open()
      expect(put(buffer, 'pump-1', 'x'.repeat(1_000_000))).toBe('too_large')
      put(buffer, 'pump-1', 'after')
      await buffer.inlet('pump-1').stored()
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))).toMatchObject([
        { text: 'after', gap: { records: 1, reason: 'too_large' } },
      ])
    })
  })

  test('records older than their time limit give way, and are declared', async () => {
    const clock = new SimulatedClock()
    const buffer = await bench.open({ clock, sources: { 'pump-1': { ttlMs: 60_000 } } })
    const old = clock.wallMs()
    for (let number = 0; number < 5; number++) put(buffer, 'pump-1', `${number}`, old)
    await clock.pass(10)
    put(buffer, 'pump-1', 'fresh', old + 90_000)
    await clock.pass(95_000)
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await clock.pass(10)
    expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))).toMatchObject([
      { text: 'fresh', gap: { records: 5, reason: 'expired' } },
    ])
  })

  test('a gap at the end of a silent source is declared by a placeholder', async () => {
    const clock = new SimulatedClock()
    const buffer = await bench.open({ clock })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    put(buffer, 'pump-1', 'x'.repeat(1_000_000), clock.wallMs())
    await clock.pass(70_000)
    expect(recordsOf(await takeRecords(buffer, 'pump-1', 1))).toMatchObject([{ text: null, gap: { records: 1 } }])
  })

  test('what the core has lost and the gateway has forgotten is filled with placeholders', async () => {
    const buffer = await bench.open({ rewindBytes: 4_096 })
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    for (let round = 0; round < 10; round++) {
      await fill(buffer, 'pump-1', round * 10, 10)
      await takeRecords(buffer, 'pump-1', 10)
      outletOf(buffer).settle((round + 1) * 10)
    }
    await fill(buffer, 'pump-1', 100, 10)
    await outletOf(buffer).rewind(30)
    const records = recordsOf(await takeRecords(buffer, 'pump-1', 80))
    expect(isContiguous(records, 30)).toBe(true)
    expect(records[0]).toMatchObject({ text: null, gap: { reason: 'core_lost' } })
    const [kept] = records.filter(({ text }) => text !== null)
    expect(kept && numberOf(kept.text)).toBe(kept?.sequence)
    expect(declared(records)).toBe((kept?.sequence ?? 0) - 30)
  })

  test('a resumed source goes on at the end of the log, and what had no place is set aside and declared', async () => {
    const buffer = await bench.open()
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await fill(buffer, 'pump-1', 0, 10)
    await takeRecords(buffer, 'pump-1', 10)
    await outletOf(buffer).freeze({ code: 'log_ahead', message: 'm', advice: 'a' })
    await outletOf(buffer).resume({ ...ASSIGNMENT, epoch: 1, epochStart: 500 }, 500)
    await fill(buffer, 'pump-1', 10, 1)
    const records = recordsOf(await takeRecords(buffer, 'pump-1', 2))
    expect(records).toMatchObject([{ sequence: 500, text: null, gap: { records: 10, reason: 'resumed' } }, { sequence: 501 }])
    expect(readdirSync(join(bench.folder, 'edge', 'set-aside')).length).toBeGreaterThan(0)
  })

  test('what is ready in memory is bounded over all sources, and none of them is left out', async () => {
    const names = Array.from({ length: 80 }, (_, index) => `s-${index}`)
    const sources = Object.fromEntries(names.map(name => [name, {}]))
    const buffer = await bench.open({ sources, quotaBytes: 2 ** 30 })
    const noisy = randomBytes(8_000)
    for (const name of names) {
      for (let number = 0; number < 100; number++) buffer.inlet(name).append(Date.now(), noisy, 0, noisy.length)
      await outletOf(buffer, name).assign(ASSIGNMENT)
    }
    await buffer.inlet('s-0').stored()
    const ready = new Set<string>()
    buffer.attachLink(source => ready.add(source))
    await new Promise(resolve => setTimeout(resolve, 1_500))
    // Nothing was taken so far: each source has something, and all together not more than the bound and one batch each.
    expect(ready.size).toBe(names.length)
    let bytes = 0
    let largest = 0
    for (const name of names) {
      for (let batch = outletOf(buffer, name).take(); batch; batch = outletOf(buffer, name).take()) {
        bytes += batch.bytes.length
        largest = Math.max(largest, batch.bytes.length)
      }
    }
    expect(bytes).toBeLessThan(BUFFER_LIMITS.readyBytes + names.length * largest)
    for (const name of names) {
      await takeRecords(buffer, name, 100 - outletOf(buffer, name).position)
      expect(outletOf(buffer, name).position).toBe(100)
    }
  })

  test('a lock that cannot be taken for another reason than another process is told as what it is', async () => {
    mkdirSync(join(bench.folder, 'edge', 'lock.db'), { recursive: true })
    await expect(bench.open()).rejects.toMatchObject({ code: 'disk_unusable', message: expect.stringContaining('lock.db') })
  })
})
