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
