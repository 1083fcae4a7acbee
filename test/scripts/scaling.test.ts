import { expect, test } from 'vitest'
import { speedBetween } from '../bench/backlog-plant.ts'
import type { Curve } from '../bench/row.ts'
import { scalingText, slopesOf } from '../bench/scaling.ts'

const SIZES = [1, 10, 100, 1_000, 10_000]
const curve = (cost: Curve['cost'], of: (size: number) => number): Curve => ({
  name: 'edge',
  x: 'sources',
  unit: 'MiB',
  points: SIZES.map(size => [size, of(size)] as const),
  ...(cost && { cost }),
})

test('what grows in proportion, or less, has no knee', () => {
  for (const { exponent, isKnee } of slopesOf(curve('total', size => 3 * size))) {
    expect(exponent).toBeCloseTo(1)
    expect(isKnee).toBe(false)
  }
  expect(scalingText(curve('total', size => 60 + 0.01 * size))).toContain('linear or better')
  expect(scalingText(curve('each', () => 7))).toContain('exponents 0.00, 0.00, 0.00, 0.00 (linear is 0): linear or better')
  expect(scalingText(curve('each', size => 7 / size))).toContain('linear or better')
})

test('what looks at all of the others for each one has a knee, and only from where it is felt', () => {
  const quadratic = curve('total', size => 1_000 * size + size * size)
  expect(slopesOf(quadratic).map(({ isKnee }) => isKnee)).toEqual([false, false, true, true])
  expect(scalingText(quadratic)).toContain('a KNEE from 100 to 1,000, from 1,000 to 10,000: it costs more than in proportion')
  // The same, as what each costs.
  expect(slopesOf(curve('each', size => 1_000 + size)).map(({ isKnee }) => isKnee)).toEqual([false, false, true, true])
})

test('points are taken in the order of their sizes, and what was not measured is left out', () => {
  const points = [
    [100, 100],
    [1, 1],
    [10, Number.NaN],
    [1_000, 0],
  ] as const
  expect(slopesOf({ cost: 'total', points })).toEqual([{ from: 1, to: 100, exponent: 1, isKnee: false }])
  expect(slopesOf(curve(undefined, size => size ** 3))).toEqual([])
  expect(scalingText(curve(undefined, size => size ** 3))).toBe('')
})

test('the speed of a part of a drain is that between its ends, wherever somebody looked', () => {
  const steady = Array.from({ length: 11 }, (_, at) => ({ atMs: at * 130, settled: at * 1_300 }))
  expect(speedBetween(steady, 1_000, 2_000)).toBeCloseTo(10_000)
  const slower = [
    { atMs: 0, settled: 0 },
    { atMs: 100, settled: 1_000 },
    { atMs: 1_100, settled: 2_000 },
  ]
  expect(speedBetween(slower, 0, 1_000)).toBeCloseTo(10_000)
  expect(speedBetween(slower, 1_000, 2_000)).toBeCloseTo(1_000)
  expect(speedBetween(slower, 0, 5_000)).toBeNaN()
})
