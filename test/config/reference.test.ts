import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { referencePage } from '../../scripts/reference/page.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'
import { STEP_KINDS } from '../../src/source/steps/kinds.ts'

test('docs/reference.md is what the schemas say now (npm run reference)', () => {
  const page = readFileSync(new URL('../../docs/reference.md', import.meta.url), 'utf8')
  expect(page).toBe(referencePage())
})

test('every kind of source and every step with options of its own has its table: the elements of lists were left out', () => {
  const page = referencePage()
  for (const { kind } of SOURCE_KINDS) expect(page).toContain(`### \`sources.<name>.kind: ${kind}\``)
  for (const { kind } of STEP_KINDS) expect(page).toContain(`| \`${kind}\` | `)
  for (const kind of ['changes', 'rate_limit', 'sample', 'aggregate', 'split'])
    expect(page).toContain(`### \`sources.<name>.steps[].${kind}\``)
})
