import { expect, test } from 'vitest'
import { clientIdOf } from '../../src/source/mqtt.ts'

const LONG = 'plant-in-a-town-with-a-long-name-on-the-other-side-of-the-river'

test('a broker knows a source by gateway and name', () => {
  expect(clientIdOf({ gateway: 'plant-a-1', source: 'boiler' })).toBe('headrace-plant-a-1-boiler')
})

test('two sources of a gateway with a long name do not throw each other out: their names were cut to the same', () => {
  const names = ['compressor-1', 'compressor-2', 'c'].map(source => clientIdOf({ gateway: LONG, source }))
  expect(new Set(names).size).toBe(3)
  for (const name of names) expect(name).toMatch(/^headrace-plant-in-[0-9a-z-]{1,48}$/)
})
