import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RELEASED_MS } from '../../src/runtime/released.ts'

test('this version knows the day on which it was made', () => {
  const { released } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { released: string }
  expect(new Date(RELEASED_MS).toISOString()).toContain(released)
  expect(RELEASED_MS).toBeLessThan(Date.now())
})
