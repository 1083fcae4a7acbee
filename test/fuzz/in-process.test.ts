import { describe, expect, test } from 'vitest'
import { seedOfRun } from '../support/random.ts'
import { fuzz } from './harness/fuzz.ts'
import { TARGET_FILES, targetsOf } from './target-files.ts'

const RUNS = 1_000

for (const file of TARGET_FILES) {
  const targets = await targetsOf(file)
  describe(`${file.split('/').at(-1)}`, () => {
    test.each(targets.map(each => [each.name, each.runs ?? RUNS] as const))('%s', async (name, runs) => {
      const found = await fuzz({ file, name, runs, seed: seedOfRun(name) })
      expect(found).toEqual({ kind: 'nothing', inputs: expect.any(Number) })
      expect(found.inputs).toBeGreaterThanOrEqual(Math.min(runs, 10))
    })
  })
}
