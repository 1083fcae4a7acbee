import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { EDGE_ENV } from '../../scripts/edge-process.mjs'

const CHILD = fileURLToPath(new URL('empty-memory-child.ts', import.meta.url))
/** Of 60 MB that were let go of. */
const MUCH = 40e6

function freedBytes(how: 'given back' | 'kept'): number {
  const env = { ...process.env, ...EDGE_ENV }
  const said = execFileSync(process.execPath, [CHILD, how], { encoding: 'utf8', env })
  const { full, after } = JSON.parse(said) as { full: number; after: number }
  return full - after
}

test('what a burst of records took is given back: it stayed with the gateway for as long as it lived', () => {
  expect(freedBytes('kept')).toBeLessThan(MUCH)
  expect(freedBytes('given back')).toBeGreaterThan(MUCH)
})
