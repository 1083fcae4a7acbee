import { expect, test } from 'vitest'
import { covers, topicMatcher, withoutCovered } from '../../src/source/mqtt-topics.ts'

test.each([
  ['plant/#', 'plant', true],
  ['plant/#', 'plant/a/b', true],
  ['plant/#', 'plants/a', false],
  ['plant/+', 'plant', false],
  ['plant/+', 'plant/', true],
  ['plant/+/temp', 'plant/a/temp', true],
  ['plant/+/temp', 'plant/#', false],
  ['plant/+', 'plant/#', false],
  ['#', 'plant/+', true],
  ['#', '$SYS/uptime', false],
  ['+/uptime', '$SYS/uptime', false],
  ['$SYS/#', '$SYS/uptime', true],
  ['+/+', 'a/+', true],
  ['a/+', '+/+', false],
])('%s has all topics of %s: %s', (outer, inner, isSo) => {
  expect(covers(outer, inner)).toBe(isSo)
})

test('of filters that cover one another one is left, and those that only overlap stay', () => {
  expect(withoutCovered(['a/b', 'a/#', 'a/#', 'a/+/c', '+/b/c'])).toEqual(['a/#', '+/b/c'])
  expect(withoutCovered(['a/+/c', '+/b/c'])).toEqual(['a/+/c', '+/b/c'])
})

test('what a shared subscription brings is wanted, and all where a filter is of a kind that only its broker knows', () => {
  expect(['plant/a', 'other'].map(topicMatcher(['$share/group/plant/#']))).toEqual([true, false])
  expect(['plant/a', 'other'].map(topicMatcher(['$queue/plant/#']))).toEqual([true, true])
})
