import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesSource } from '../../src/runtime/names.ts'

const id = { gateway: 'plant-a', source: 'compressor-1' }

test.each([
  ['compressor-1', true],
  ['compressor-*', true],
  ['*', true],
  ['comp?essor-?', true],
  ['*-1*', true],
  ['compressor', false],
  ['?ompressor', false],
  ['', false],
  ['plant-a/*', true],
  ['*/*', true],
  ['plant-?/compressor-1', true],
  ['*/compressor', false],
  // A star ends at the border of a name.
  ['*r-1/', false],
  ['plant*1', false],
  ['plant-a*/compressor-1', true],
] as const)('the glob %j of a source', (glob, fits) => {
  expect(matchesSource(glob, id)).toBe(fits)
})

test('a glob of stars that nothing fits is answered at once: it held a core up for ever', () => {
  expect(matchesSource(`${'*a'.repeat(40)}b`, { gateway: 'g', source: 'a'.repeat(63) })).toBe(false)
})

test('globs mean what they would as a regular expression', () => {
  const letters = (unit: string[]) => fc.array(fc.constantFrom(...unit), { maxLength: 8 }).map(each => each.join(''))
  fc.assert(
    fc.property(letters(['a', 'b', '*', '?', '/']), letters(['a', 'b']), letters(['a', 'b']), (glob, gateway, source) => {
      const subject = glob.includes('/') ? `${gateway}/${source}` : source
      const pattern = glob.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
      expect(matchesSource(glob, { gateway, source })).toBe(new RegExp(`^${pattern}$`).test(subject))
    }),
    { numRuns: 2_000 },
  )
})
