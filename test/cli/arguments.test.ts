import { expect, test } from 'vitest'
import { boundArgument, momentArgument } from '../../src/cli/arguments.ts'

test.each([
  ['2026-01-31', '2026-01-31T00:00:00.000Z'],
  ['2026-01-31T02:00Z', '2026-01-31T02:00:00.000Z'],
  ['2026-01-31T02:00:00.5Z', '2026-01-31T02:00:00.500Z'],
  ['2026-01-31T02:00:00+01:00', '2026-01-31T01:00:00.000Z'],
])('%s is a moment wherever it is typed', (text, moment) => {
  expect(new Date(momentArgument(text)).toISOString()).toBe(moment)
})

test.each(['2026-01-31T02:00:00', '2026-01-31T02:00'])('%s is another moment in another time zone, and refused', text => {
  expect(() => momentArgument(text)).toThrow(`Write it with its zone, such as ${text}Z`)
})

test.each(['yesterday', '2026-02-30', '2026-13-01', '2026-01-31T25:00:00Z', '2026-01-31 02:00:00Z', '31.1.2026', ''])(
  '"%s" is no moment',
  text => {
    expect(() => momentArgument(text)).toThrow('Write a time such as 2026-01-31 or 2026-01-31T02:00:00Z.')
  },
)

test('a bound is a sequence where it is a number', () => {
  expect([boundArgument('2026'), boundArgument('2026-01-01')]).toEqual([{ sequence: 2026 }, { timeMs: 1_767_225_600_000 }])
})
