import { expect, test } from 'vitest'
import { defineScenario } from './scenario.ts'
import { chooseScenarios } from './selection.ts'

const scenarios = Array.from({ length: 20 }, (_, index) =>
  defineScenario({
    id: `s-${index}`,
    title: `scenario ${index}`,
    seconds: 25,
    ...(index === 0 && { fullOnly: true }),
    strike: async () => {},
  }),
)
const idsOf = (asked: string | undefined, seed: number) => chooseScenarios(scenarios, asked, seed).map(({ id }) => id)

test('a seed chooses the same ones again, others choose others, and over some runs each has its turn', () => {
  expect(idsOf(undefined, 7)).toEqual(idsOf(undefined, 7))
  const seen = new Set(Array.from({ length: 60 }, (_, seed) => idsOf(undefined, seed)).flat())
  expect(seen.size).toBe(scenarios.length - 1)
})

test('all of them, or those that are named', () => {
  expect(idsOf('all', 1)).toHaveLength(scenarios.length)
  expect(idsOf('s-0 s-3', 1)).toEqual(['s-0', 's-3'])
  expect(() => idsOf('s-0 nothing', 1)).toThrow('no scenario is called nothing')
})
