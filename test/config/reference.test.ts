import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { referencePage } from '../../scripts/reference/page.ts'

test('docs/reference.md is what the schemas say now (npm run reference)', () => {
  const page = readFileSync(new URL('../../docs/reference.md', import.meta.url), 'utf8')
  expect(page).toBe(referencePage())
})
