import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, isContiguous, noise, outletOf, PLACES, put, recordsOf } from './harness.ts'

describe.each(PLACES)('blocks that lie %s', (_where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench(limits)
  })
  afterEach(() => bench.end())

  test('a backlog larger than a quota that was lowered drains', async () => {
    const clock = new SimulatedClock()
    const sources = { 'pump-1': { whenFull: 'block' } } as const
    const first = await bench.open({ clock, sources, quotaBytes: 2 * 2 ** 20 })
    await outletOf(first).assign(ASSIGNMENT)
    for (let number = 0, taken = 'taken'; taken === 'taken'; number++) {
      taken = put(first, 'pump-1', noise(number), clock.wallMs())
      if (number % 100 === 99) await clock.pass(50)
    }
    await bench.close(first)
    const buffer = await bench.open({ clock, sources, quotaBytes: 2 ** 20 })
    const held = outletOf(buffer).buffered().records
    buffer.attachLink(() => {})
    const taken = []
    for (let step = 0; step < 400 && outletOf(buffer).buffered().records > 0; step++) {
      await clock.pass(50)
      for (let batch = outletOf(buffer).take(); batch; batch = outletOf(buffer).take()) {
        taken.push(batch)
        outletOf(buffer).settle(batch.sequence + batch.count)
      }
    }
    const records = recordsOf(taken)
    expect(bench.alarms.list().map(({ code }) => code)).toEqual([])
    expect(isContiguous(records)).toBe(true)
    expect(records).toHaveLength(held)
  })
})
