import { describe, expect, test } from 'vitest'
import { fuzz } from './harness/fuzz.ts'

const SEED = 1
const file = new URL('./planted.ts', import.meta.url).href

describe('the harness finds a target that', () => {
  test.each([
    ['throws where nobody catches', 'crash'],
    ['says something wrong', 'failure'],
    ['never ends', 'endless'],
    ['keeps all it is given', 'memory'],
    ['a plain library for Modbus, and a line on which others talk', 'memory'],
    ['plain rhea, and an array of values without bytes', 'memory'],
    ['plain rhea, and a disposition of all there can be', 'endless'],
  ] as const)('%s', async (name, kind) => {
    const inputLimitMs = kind === 'endless' ? 3_000 : 60_000
    const gainMibMax = name.startsWith('a plain library') ? 96 : 256
    const found = await fuzz({ file, name, seed: SEED, runs: 1_000, inputLimitMs, gainMibMax })
    expect(found.kind).toBe(kind)
  })

  test('and gives the same input for the same seed', async () => {
    const run = () => fuzz({ file, name: 'says something wrong', seed: 7, runs: 1_000 })
    expect(await run()).toEqual(await run())
  })
})
