import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { collectGarbage } from '../../src/runtime/garbage.ts'

test('what nobody holds is gone, and no global is left behind', () => {
  const held: { large: object | undefined } = { large: { text: 'x' } }
  const seen = new WeakRef(held.large as object)
  held.large = undefined
  // A weak reference holds until the turn that made it is over.
  return new Promise<void>(resolve => setImmediate(resolve)).then(() => {
    collectGarbage()
    expect(seen.deref()).toBeUndefined()
    expect('gc' in globalThis).toBe(false)
  })
})

test('two threads that collect at the same time both can: a gateway ended at its start, since one of them took away what the other had just made', () => {
  const child = fileURLToPath(new URL('garbage-threads-child.ts', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [child], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
