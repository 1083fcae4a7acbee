import { expect } from 'vitest'
import { until } from '../../support/until.ts'
import { defineScenario } from '../scenario.ts'

const LOST_EACH_TIME = 3

export const answersLost = defineScenario({
  id: 'answers-lost',
  title: 'the broker stores, and its answers to Produce are lost',
  seconds: 45,
  proxied: true,
  plant: { cores: 2 },
  async strike({ proxies, random, step, moves }) {
    const [proxy] = proxies
    if (!proxy) throw new Error('there is no proxy before the broker')
    for (const how of ['cut', 'cut', 'silent', 'cut'] as const) {
      await moves()
      const before = proxy.lost
      const count = how === 'silent' ? 1 : random.between(1, LOST_EACH_TIME + 1)
      await step(`${count} answers are lost, the connection is ${how}`, () => proxy.loseAnswers(count, how))
      await until('they were lost', () => proxy.lost - before >= count, 60_000)
    }
    await moves()
    expect(proxy.lost).toBeGreaterThanOrEqual(4)
  },
})
