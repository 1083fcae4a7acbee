import { describe, expect, test } from 'vitest'
import { matchesSource, parseSourceKey } from '../../src/runtime/names.ts'
import { duration, parseDurationMs, parseSizeBytes, size } from '../../src/runtime/units.ts'

describe('durations and sizes', () => {
  test.each([
    ['50ms', 50],
    ['1.5s', 1_500],
    ['2 h', 7_200_000],
    ['7d', 604_800_000],
    ['0', 0],
    ['50', undefined],
    ['ms', undefined],
    ['-1s', undefined],
    ['1w', undefined],
  ])('%s is %s ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms))

  test.each([
    ['64KiB', 65_536],
    ['10MB', 10_000_000],
    ['1GiB', 2 ** 30],
    ['1k', undefined],
  ])('%s is %s bytes', (text, bytes) => expect(parseSizeBytes(text)).toBe(bytes))

  test('a schema takes what has a unit, within its bounds', () => {
    expect(duration({ min: '1s' }).parse('5s')).toBe(5_000)
    expect(duration({ min: '1s' }).safeParse('5ms').success).toBe(false)
    expect(duration().safeParse('5').success).toBe(false)
    expect(duration().parse(0)).toBe(0)
    expect(size({ max: '1MiB' }).safeParse('2MiB').success).toBe(false)
  })
})

describe('a source glob', () => {
  const id = { gateway: 'plant-a-1', source: 'compressor-1' }
  test.each([
    ['*', true],
    ['compressor-*', true],
    ['compressor-?', true],
    ['compressor', false],
    ['plant-a-1/*', true],
    ['plant-b/*', false],
    ['*/compressor-1', true],
    ['compressor.1', false],
  ])('%s matches: %s', (glob, matches) => expect(matchesSource(glob, id)).toBe(matches))

  test('a key is taken apart, or refused', () => {
    expect(parseSourceKey('plant-a-1/compressor-1')).toEqual(id)
    for (const bad of ['a', 'a/b/c', '/a', 'A/b', 'a/']) expect(parseSourceKey(bad)).toBeUndefined()
  })
})
