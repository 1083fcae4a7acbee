import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Sample } from '../../src/analyser/analyser.ts'
import { condition } from '../../src/analyser/condition.ts'
import { sample, Watching } from './watching.ts'

const ANALYSERS = {
  'windows of every aggregate': {
    every: '1s',
    lateness: '200ms',
    when: 'avg(a) > 3 && stddev(a) >= 0 && last(b) + first(b) > 2',
    values: { n: 'records()', sum: 'sum(a)', p: 'percentile(a, 90)', d: 'delta(b)', r: 'rate(a)', low: 'min(a)', high: 'max(b)' },
  },
  'hopping windows': { window: { hopping: '1s' }, every: '250ms', values: { mean: 'avg(a)', s: 'sum(b)' } },
  sessions: { window: { session: '300ms' }, values: { n: 'records()', s: 'sum(a)' } },
  'windows of five': { window: { count: 5 }, values: { s: 'sum(a)' } },
  'sliding windows': { window: { sliding: '500ms' }, when: 'max(a) > 8' },
  'each record': { when: 'a > 8' },
  'each record, by more than one field': { when: 'a / b > 4 || !(b < 9)', for: '300ms', clear_when: 'a < 2' },
  'each record, by what is no number': { when: 'a > 8 && mode == "run"' },
}

/** Steps in time, now and then back or far; some records lack a field, or have something else there. */
const record = fc.record({
  stepMs: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 1, 10, 40) },
    { weight: 1, arbitrary: fc.constantFrom(-300, 900, 5_000_000) },
  ),
  a: fc.oneof(
    { weight: 12, arbitrary: fc.double({ min: 0, max: 10, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, null, 'hot', Number.POSITIVE_INFINITY) },
  ),
  b: fc.integer({ min: 0, max: 10 }),
  hasFields: fc.integer({ min: 0, max: 20 }).map(each => each > 0),
  other: fc.integer({ min: 0, max: 30 }).map(each => each === 0),
})

/** Runs of one source each, as batches are. */
const runs = fc.array(fc.array(record, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 }).map(batches => {
  let timeMs = 1_000_000
  return batches.map((records, batch) => {
    const source = { gateway: 'gw', source: batch % 7 === 6 && records[0]?.other ? 'another' : 'one' }
    return records.map(({ stepMs, a, b, hasFields }): Sample => {
      // What lies hours ahead does not count, and is not where the next goes on from.
      const atMs = timeMs + stepMs
      if (stepMs < 5_000) timeMs = atMs
      const given = sample(atMs, { a, b, mode: 'run' }, { source, nowMs: timeMs })
      return hasFields ? given : { ...given, fields: undefined }
    })
  })
})

describe.each(Object.entries(ANALYSERS))('%s', (_name, options) => {
  test('say the same, to the last digit, and keep the same, of records that come at once and of each alone', () => {
    fc.assert(
      fc.property(runs, fc.constantFrom(null, { gateway: 'gw', source: 'one' }), (batches, source) => {
        const [together, alone] = [new Watching(condition, options, source), new Watching(condition, options, source)]
        for (const samples of batches) {
          together.run(samples)
          for (const each of samples) alone.run([each])
          expect(together.watch.snapshot()).toEqual(alone.watch.snapshot())
        }
        expect(together.alerts).toEqual(alone.alerts)
        expect(together.records).toEqual(alone.records)
      }),
      { numRuns: 40 },
    )
  })
})

describe('records at once', () => {
  const batch = (fromMs: number, a = 1) => Array.from({ length: 5 }, (_, index) => sample(fromMs + index, { a, b: index }))

  test('are taken so by a window that they lie in, and one by one where it ends among them', () => {
    const watching = new Watching(condition, { every: '1s', when: 'avg(a) > 3' })
    const alone = vi.spyOn(watching.watch, 'sample')
    const lookedAt = (samples: readonly Sample[]) => {
      alone.mockClear()
      watching.run(samples)
      return alone.mock.calls.length
    }
    // The first opens the window.
    expect(lookedAt(batch(5_000))).toBe(1)
    expect(lookedAt(batch(5_100))).toBe(0)
    expect(lookedAt(batch(5_998, 9))).toBe(5)
    expect(lookedAt(batch(6_100))).toBe(0)
    expect(lookedAt(batch(7_000))).toBe(1)
  })

  test('are taken so by a condition that none of them meets', () => {
    const watching = new Watching(condition, { when: 'a * 2 > 6 && b >= 0' })
    expect(watching.run(batch(5_000))).toBe(true)
    expect(watching.run(batch(5_100, 9))).toBe(false)
    expect(watching.states).toEqual(['5100 raised'])
    // While it stands, each record is looked at.
    expect(watching.run(batch(5_200))).toBe(false)
    expect(watching.run(batch(5_300))).toBe(true)
  })
})
