import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { until } from '../support/until.ts'
import {
  ASSIGNMENT,
  Bench,
  countingClock,
  isContiguous,
  noise,
  noted,
  numberOf,
  outletOf,
  put,
  recordsOf,
  takeRecords,
} from './harness.ts'

/** Blocks of one record, about 1.2 kB each: two of each source, and one that is over. */
const LIMITS = { blockRecords: 1, commitBytes: 9_000 }
const NAMES = ['pump-1', 'pump-2', 'pump-3']
const SOURCES = Object.fromEntries(NAMES.map(name => [name, { durabilityMs: 50, whenFull: 'block' as const }]))
const RECORDS = 20

let bench: Bench
beforeEach(() => {
  bench = new Bench(LIMITS)
})
afterEach(() => bench.end())

function putAll(buffer: Awaited<ReturnType<Bench['open']>>): void {
  for (const name of NAMES) for (let number = 0; number < RECORDS; number++) put(buffer, name, noise(number))
}

test('one commit takes so much and no more, of each source in turn: all that came since the last was one commit of 64 MiB', async () => {
  const commits: { source: number; bytes: number }[][] = []
  const buffer = await bench.open({ sources: SOURCES, openStore: noted(commits) })
  for (const name of NAMES) await outletOf(buffer, name).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  putAll(buffer)
  for (const name of NAMES) await buffer.inlet(name).stored()
  const sums = commits.map(blocks => blocks.reduce((sum, { bytes }) => sum + bytes, 0))
  expect(commits.length).toBeGreaterThan(5)
  expect(Math.max(...sums)).toBeLessThanOrEqual(LIMITS.commitBytes)
  const written = new Map<number, number>()
  for (const blocks of commits) {
    for (const { source } of blocks) written.set(source, (written.get(source) ?? 0) + 1)
    // Whoever was left out begins the next one: no source is ahead of another by more than what is over.
    expect(Math.max(...written.values()) - Math.min(...written.values())).toBeLessThanOrEqual(2)
    expect(written.size).toBe(NAMES.length)
  }
  for (const name of NAMES) {
    const records = recordsOf(await takeRecords(buffer, name, RECORDS))
    expect(records.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: RECORDS }, (_, number) => number))
    expect(isContiguous(records)).toBe(true)
  }
})

test('what waits for its turn when the gateway ends is on disk nonetheless', async () => {
  const first = await bench.open({ sources: SOURCES })
  putAll(first)
  await bench.close(first)
  const second = await bench.open({ sources: SOURCES })
  for (const name of NAMES) expect(outletOf(second, name).buffered().records).toBe(RECORDS)
})

test('what has no room is missing where it was, also while more of the source waits for its turn behind it', async () => {
  const buffer = await bench.open({
    sources: { 'pump-1': { whenFull: 'drop_newest' } },
    quotaBytes: 400 * 1024,
    limits: { commitBytes: 1 },
  })
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  const taken: CutBatch[] = []
  const allTaken = () => {
    for (let batch = outletOf(buffer).take(); batch; batch = outletOf(buffer).take()) {
      taken.push(batch)
      outletOf(buffer).settle(batch.sequence + batch.count)
    }
    return outletOf(buffer).recordsBuffered === 0
  }
  for (let number = 0; number < 600; number++) put(buffer, 'pump-1', noise(number))
  // The link comes when the disk is full: from then on there is room for some, and again for some.
  await until('the disk is full', () => bench.alarms.list().some(({ code }) => code === 'buffer_full'), 5_000)
  await until('all of it is taken', allTaken, 5_000)
  put(buffer, 'pump-1', noise(600))
  await buffer.inlet('pump-1').stored()
  await until('the last one is taken', allTaken, 5_000)
  const records = recordsOf(taken)
  expect(isContiguous(records)).toBe(true)
  let missing = 0
  for (const [index, { text, gap }] of records.entries()) {
    missing += gap?.records ?? 0
    expect(numberOf(text)).toBe(index + missing)
  }
  expect(missing).toBeGreaterThan(0)
})

const LOOKS_MAX = 100

test('where there is no room, nobody tries again and again for those whose turn it would be', async () => {
  const { clock, looksWhileIdle } = countingClock()
  const buffer = await bench.open({ clock, sources: SOURCES, quotaBytes: 120_000 })
  for (let number = 0; number < 200; number++) for (const name of NAMES) put(buffer, name, noise(number))
  await until(
    'there is no room',
    () => bench.alarms.list().filter(({ code }) => code === 'buffer_full').length === NAMES.length,
    5_000,
  )
  expect(await looksWhileIdle()).toBeLessThan(LOOKS_MAX)
})
