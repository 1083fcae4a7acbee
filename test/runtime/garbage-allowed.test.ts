import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { allowedPercent } from '../../src/runtime/garbage-allowed.ts'

const MIB = 2 ** 20
const CHILD = fileURLToPath(new URL('garbage-child.ts', import.meta.url))

/** Of each collection in each thread: what lives then, and how large the heap may become before the next, KiB. */
function limitsOf(how: 'as it is' | 'allowed'): { livingKib: number; limitKib: number }[] {
  const said = execFileSync(process.execPath, ['--trace-gc-verbose', CHILD, how], { encoding: 'utf8' })
  return [...said.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)].map(([, living, limit]) => ({
    livingKib: Number(living),
    limitKib: Number(limit),
  }))
}

test.each([
  ['a small heap may become four times as large', 8 * MIB, 300],
  ['one of sixteen mebibytes still may', 16 * MIB, 300],
  ['a larger one by 48 MiB', 48 * MIB, 100],
  ['the largest that is allowed anything', 96 * MIB, 50],
  ['what is above that is left to V8', 97 * MIB, 0],
  ['a core with ten thousand gateways too', 2_000 * MIB, 0],
])('%s', (_what, livingBytes, percent) => {
  expect(allowedPercent(livingBytes)).toBe(percent)
})

test('V8 takes what is allowed, in both threads of a gateway; by itself it allows nine mebibytes', () => {
  const [asItIs, allowed] = [limitsOf('as it is'), limitsOf('allowed')]
  // What is asked for as a last resort is done twice, in each thread.
  expect(asItIs).toHaveLength(4)
  for (const { livingKib, limitKib } of asItIs) expect(limitKib - livingKib).toBeLessThan(10 * 1024)
  expect(allowed).toHaveLength(4)
  for (const { livingKib, limitKib } of allowed) expect(limitKib).toBeGreaterThan(3.9 * livingKib)
})
