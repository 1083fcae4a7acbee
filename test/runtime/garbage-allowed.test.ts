import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Busyness } from '../../src/runtime/busyness.ts'
import { GarbageShares } from '../../src/runtime/garbage-shares.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
const CHILD = fileURLToPath(new URL('garbage-child.ts', import.meta.url))

describe('a thread', () => {
  test('that collects seldom is not busy, nor is one that has a few seconds of much to do', () => {
    const busyness = new Busyness()
    for (const atMs of [0, 1_000, 5_000, 5_200, 5_400, 5_600, 7_000]) expect(busyness.collected(atMs, 16 * MIB)).toBe(false)
  })

  test('that collects often is, until it has not for ten seconds', () => {
    const busyness = new Busyness()
    expect([0, 200, 400, 600, 800].map(atMs => busyness.collected(atMs, 16 * MIB))).toEqual([false, false, false, false, true])
    expect(busyness.collected(5_800, 16 * MIB)).toBe(true)
    expect([busyness.looked(15_700), busyness.looked(15_800)]).toEqual([true, false])
    expect(busyness.collected(15_900, 16 * MIB)).toBe(false)
  })

  test('with a large heap is busy where it collects as long: every few seconds, and until it has not for as many more', () => {
    const busyness = new Busyness()
    const every2300Ms = [0, 1, 2, 3, 4].map(at => at * 2_300)
    expect(every2300Ms.map(atMs => busyness.collected(atMs, 120 * MIB))).toEqual([false, false, false, false, true])
    expect([busyness.looked(69_100), busyness.looked(69_200)]).toEqual([true, false])
    const small = new Busyness()
    for (const atMs of every2300Ms) expect(small.collected(atMs, 20 * MIB)).toBe(false)
  })

  test('that is asked to collect as a last resort does so twice, and is not busy', () => {
    const busyness = new Busyness()
    for (const atMs of [0, 4, 8, 12, 16, 300_000, 300_003]) expect(busyness.collected(atMs, 16 * MIB)).toBe(false)
  })
})

describe('a process with a busy thread', () => {
  test.each([
    ['a small heap may become seven times as large', 16 * MIB, 600],
    ['a larger one by 128 MiB', 64 * MIB, 200],
    ['the largest that is allowed anything by half', 256 * MIB, 50],
    ['what is above that is left to V8', 257 * MIB, 0],
    ['that of a core with ten thousand gateways too', 2_000 * MIB, 0],
  ])('allows by what lives: %s', (_what, livingBytes, percent) => {
    const shares = new GarbageShares(GarbageShares.memory(), 64 * GIB)
    expect(shares.say(0, { livingBytes, isBusy: true }).percent).toBe(percent)
  })

  test('allows 128 MiB to all of its threads together: a large heap grew with a small one that was busy', () => {
    const memory = GarbageShares.memory()
    const [main, store] = [new GarbageShares(memory, 64 * GIB), new GarbageShares(memory, 64 * GIB)]
    expect(main.say(0, { livingBytes: 24 * MIB, isBusy: false })).toEqual({ percent: 0, isNew: false })
    expect(store.say(1, { livingBytes: 8 * MIB, isBusy: true })).toEqual({ percent: 400, isNew: true })
    expect(main.say(0, { livingBytes: 24 * MIB, isBusy: false })).toEqual({ percent: 400, isNew: false })
    expect(main.say(0, { livingBytes: 40 * MIB, isBusy: true })).toEqual({ percent: 266, isNew: true })
    expect(store.say(1, { livingBytes: 8 * MIB, isBusy: false })).toEqual({ percent: 266, isNew: false })
    expect(main.say(0, { livingBytes: 40 * MIB, isBusy: false })).toEqual({ percent: 0, isNew: true })
  })

  test.each([
    [8_192, 600],
    [4_096, 400],
    [1_024, 100],
    [512, 50],
    [256, 0],
  ])('allows a 64th of the memory that it may have: of %i MiB', (memoryMib, percent) => {
    const shares = new GarbageShares(GarbageShares.memory(), memoryMib * MIB)
    expect(shares.say(0, { livingBytes: 16 * MIB, isBusy: true }).percent).toBe(percent)
  })
})

/** After each collection of the child's second thread: what lives then, and how large the heap may become before the next, KiB. */
function limitsOf(how: 'as it is' | 'allowed' | 'beside the main thread'): { livingKib: number; limitKib: number }[] {
  const said = execFileSync(process.execPath, ['--trace-gc-verbose', CHILD, how], { encoding: 'utf8' })
  return [...said.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)].map(([, living, limit]) => ({
    livingKib: Number(living),
    limitKib: Number(limit),
  }))
}

test('V8 takes what is allowed; by itself it allows nine mebibytes', () => {
  const [asItIs, allowed] = [limitsOf('as it is'), limitsOf('allowed')]
  // Each collection is done twice.
  for (const limits of [asItIs, allowed]) expect(limits).toHaveLength(16)
  for (const { livingKib, limitKib } of asItIs) expect(limitKib - livingKib).toBeLessThan(10 * 1024)
  const last = allowed.at(-1)
  expect(last?.limitKib).toBeGreaterThan(6.9 * (last?.livingKib ?? Number.POSITIVE_INFINITY))
  const beside = limitsOf('beside the main thread').at(-1)
  // What lives in the main thread counts as well: less than seven times as much is allowed.
  expect(beside?.limitKib).toBeLessThan(6.9 * (beside?.livingKib ?? 0))
})
