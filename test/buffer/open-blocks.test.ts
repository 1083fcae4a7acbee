import { afterEach, beforeEach, expect, test } from 'vitest'
import { limitsOf } from '../../src/buffer/limits.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, isContiguous, noted, numberOf, outletOf, put, recordsOf, takeRecords } from './harness.ts'

const TEXT = 'x'.repeat(1_000)
const NAMES = Array.from({ length: 40 }, (_, at) => `pump-${at}`)
const HOUR_MS = 3_600_000

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

function sourcesWith(durabilityMs: number) {
  return Object.fromEntries(NAMES.map(name => [name, { durabilityMs, whenFull: 'block' as const }]))
}

test('what lies in blocks that are being filled counts too: of many sources it was in memory beyond every limit, while the disk stood still', async () => {
  const pendingBytes = 100_000
  const buffer = await bench.open({ sources: sourcesWith(HOUR_MS), limits: { pendingBytes } })
  let bytes = 0
  // All in one turn, so that nothing is written meanwhile.
  for (let round = 0; round < 20; round++) {
    for (const name of NAMES) if (put(buffer, name, TEXT) === 'taken') bytes += TEXT.length
  }
  expect(bytes).toBeLessThanOrEqual(pendingBytes + TEXT.length)
  expect(bytes).toBeGreaterThan(pendingBytes * 0.9)
})

test('where half of what may wait does, it is written at once, whatever its durability', async () => {
  const buffer = await bench.open({ sources: sourcesWith(HOUR_MS), limits: { pendingBytes: 100_000 } })
  put(buffer, NAMES[0] as string, TEXT)
  // The first is written at once; those behind it wait for an hour.
  await buffer.inlet(NAMES[0] as string).stored()
  for (const name of NAMES) put(buffer, name, TEXT)
  for (const name of NAMES.slice(0, 15)) put(buffer, name, TEXT)
  await buffer.inlet(NAMES[20] as string).stored()
})

test('the same of one source: it waited for its durability though it had nothing but to wait', async () => {
  const limits = { pendingBytesPerSource: 20_000, blockBytes: 4_000 }
  // A clock that stands still: nothing is written because some time has passed.
  const clock = new SimulatedClock()
  const buffer = await bench.open({ clock, sources: { fast: { durabilityMs: HOUR_MS, whenFull: 'block' } }, limits })
  put(buffer, 'fast', TEXT)
  await buffer.inlet('fast').stored()
  const records = 200
  for (let given = 1; given < records; ) {
    if (put(buffer, 'fast', TEXT) === 'taken') given += 1
    else await new Promise<void>(resolve => buffer.inlet('fast').onRoom(resolve))
  }
  expect(outletOf(buffer, 'fast').buffered().records).toBe(records)
})

test('of blocks that are due and more than one commit takes, some are closed and the others go on being filled until it is their turn', async () => {
  const commits: { source: number; bytes: number }[][] = []
  const commitBytes = 20_000
  const buffer = await bench.open({ sources: sourcesWith(50), limits: { commitBytes }, openStore: noted(commits) })
  for (const name of NAMES) await outletOf(buffer, name).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  const taken = new Map<string, number>()
  const give = (name: string) => {
    const number = taken.get(name) ?? 0
    if (put(buffer, name, `${number}:${TEXT}`) === 'taken') taken.set(name, number + 1)
  }
  // All of them say much, but for the last one.
  const quiet = NAMES.at(-1) as string
  for (let round = 0; round < 20; round++) for (const name of NAMES) if (name !== quiet) give(name)
  put(buffer, quiet, '0:little')
  taken.set(quiet, 1)
  await Promise.all(NAMES.map(name => buffer.inlet(name).stored()))
  const sums = commits.map(blocks => blocks.reduce((sum, { bytes }) => sum + bytes, 0))
  // One block may be larger than what is left.
  expect(Math.max(...sums)).toBeLessThan(commitBytes * 2.5)
  // A source that says little does not wait for the turn of those that say much.
  const quietId = NAMES.length
  expect(commits.slice(0, 2).some(blocks => blocks.some(({ source }) => source === quietId))).toBe(true)
  // Each had its turn once before any had it twice.
  const order = commits.flat().filter(({ source, bytes }) => source !== quietId && bytes > 5_000)
  expect(new Set(order.slice(0, NAMES.length - 1).map(({ source }) => source)).size).toBe(NAMES.length - 1)
  for (const name of NAMES) {
    const count = taken.get(name) ?? 0
    const records = recordsOf(await takeRecords(buffer, name, count))
    expect(records.map(({ text }) => numberOf(text))).toEqual(Array.from({ length: count }, (_, number) => number))
    expect(isContiguous(records)).toBe(true)
  }
})

test.each([
  [1, 64],
  [4, 64],
  [8, 128],
  [24, 256],
])('of %i GiB that the process may have, %i MiB may wait for a commit', (memoryGib, mib) => {
  expect(limitsOf(memoryGib * 2 ** 30).pendingBytes).toBe(mib * 2 ** 20)
})
