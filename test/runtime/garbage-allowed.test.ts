import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { GarbageAllowance } from '../../src/runtime/garbage-allowed.ts'

const MIB = 2 ** 20
const CHILD = fileURLToPath(new URL('garbage-child.ts', import.meta.url))

describe('a thread', () => {
  test('that collects seldom allows nothing of its own', () => {
    const allowance = new GarbageAllowance()
    for (const atMs of [0, 1_000, 5_000, 6_500]) expect(allowance.collected(atMs, 8 * MIB)).toBeUndefined()
  })

  test('that collects often allows what V8 does at most, until it has not for ten seconds', () => {
    const allowance = new GarbageAllowance()
    expect(allowance.collected(0, 8 * MIB)).toBeUndefined()
    expect(allowance.collected(200, 8 * MIB)).toBe(300)
    expect(allowance.collected(5_200, 8 * MIB)).toBe(300)
    expect(allowance.collected(15_200, 8 * MIB)).toBe(0)
    expect(allowance.collected(20_000, 8 * MIB)).toBeUndefined()
    expect(allowance.collected(20_200, 8 * MIB)).toBe(300)
  })

  test('that is asked to collect as a last resort does so twice, and is not busy', () => {
    const allowance = new GarbageAllowance()
    for (const atMs of [0, 4, 300_000, 300_003]) expect(allowance.collected(atMs, 8 * MIB)).toBeUndefined()
  })

  test.each([
    ['a small heap may become four times as large', 16 * MIB, 300],
    ['a larger one by 48 MiB', 48 * MIB, 100],
    ['the largest that is allowed anything by half', 96 * MIB, 50],
    ['what is above that is left to V8', 97 * MIB, 0],
    ['that of a core with ten thousand gateways too', 2_000 * MIB, 0],
  ])('that collects often allows by what lives: %s', (_what, livingBytes, percent) => {
    const allowance = new GarbageAllowance()
    allowance.collected(0, livingBytes)
    expect(allowance.collected(200, livingBytes)).toBe(percent)
  })
})

/** After each collection of the child's second thread: what lives then, and how large the heap may become before the next, KiB. */
function limitsOf(how: 'as it is' | 'allowed'): { livingKib: number; limitKib: number }[] {
  const said = execFileSync(process.execPath, ['--trace-gc-verbose', CHILD, how], { encoding: 'utf8' })
  return [...said.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)].map(([, living, limit]) => ({
    livingKib: Number(living),
    limitKib: Number(limit),
  }))
}

test('V8 takes what is allowed; by itself it allows nine mebibytes', () => {
  const [asItIs, allowed] = [limitsOf('as it is'), limitsOf('allowed')]
  // Each collection is done twice.
  for (const limits of [asItIs, allowed]) expect(limits).toHaveLength(8)
  for (const { livingKib, limitKib } of asItIs) expect(limitKib - livingKib).toBeLessThan(10 * 1024)
  const last = allowed.at(-1)
  expect(last?.limitKib).toBeGreaterThan(3.9 * (last?.livingKib ?? Number.POSITIVE_INFINITY))
})
