import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import { Quantiles } from '../../src/analyser/quantiles.ts'
import { Watching } from '../analyser/watching.ts'
import { type Event, naiveAggregates, naiveWindows, type Spec } from './naive-windows.ts'

const RUNS = { numRuns: 60 }
const FAR_MS = 1e9

const AGGREGATES = {
  records: 'records()',
  count: 'count(x)',
  sum: 'sum(x)',
  avg: 'avg(x)',
  min: 'min(x)',
  max: 'max(x)',
  first: 'first(x)',
  last: 'last(x)',
  delta: 'delta(x)',
  rate: 'rate(x)',
  stddev: 'stddev(x)',
  p90: 'percentile(x, 90)',
  words: 'count(word)',
  first_word: 'first(word)',
  last_word: 'last(word)',
}

const specs: Record<string, fc.Arbitrary<{ spec: Spec; options: object }>> = {
  tumbling: fc.integer({ min: 100, max: 900 }).map(size => ({
    spec: { kind: 'paned', size, hop: size },
    options: { every: `${size}ms` },
  })),
  hopping: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 8 })).map(([hops, more]) => {
    const [hop, size] = [hops * 100, hops * 100 + more * 50]
    return { spec: { kind: 'paned', size, hop }, options: { every: `${hop}ms`, window: { hopping: `${size}ms` } } }
  }),
  sliding: fc.integer({ min: 100, max: 900 }).map(size => ({
    spec: { kind: 'sliding', size },
    options: { window: { sliding: `${size}ms` } },
  })),
  session: fc.integer({ min: 100, max: 400 }).map(gap => ({
    spec: { kind: 'session', gap },
    options: { window: { session: `${gap}ms` } },
  })),
  count: fc.integer({ min: 1, max: 9 }).map(size => ({ spec: { kind: 'count', size }, options: { window: { count: size } } })),
}

/** Events whose arrival is out of order by at most the lateness, and places at which the analyser is started anew. */
const history = fc.record({
  lateness: fc.integer({ min: 0, max: 300 }),
  events: fc.array(
    fc.record({
      timeMs: fc.integer({ min: 0, max: 5_000 }),
      delay: fc.double({ min: 0, max: 1, noNaN: true }),
      x: fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: undefined }),
      word: fc.option(fc.constantFrom('run', 'idle', 'fault'), { nil: undefined }),
    }),
    { maxLength: 60 },
  ),
  restarts: fc.array(fc.integer({ min: 0, max: 59 }), { maxLength: 4 }),
})

function arrivals({ lateness, events }: { lateness: number; events: readonly (Event & { delay: number })[] }): Event[] {
  const arrivalMs = (event: Event & { delay: number }) => event.timeMs + Math.floor(event.delay * lateness)
  return events.toSorted((a, b) => arrivalMs(a) - arrivalMs(b)).map(({ timeMs, x, word }) => ({ timeMs, x, word }))
}

function windowsOf(options: object, lateness: number, arrived: readonly Event[], restarts: readonly number[]) {
  const watching = new Watching(condition, { ...options, lateness: `${lateness}ms`, values: AGGREGATES })
  for (const [index, { timeMs, x, word }] of arrived.entries()) {
    if (restarts.includes(index)) watching.restart()
    watching.sample(timeMs, { ...(x !== undefined && { x }), ...(word !== undefined && { word }) })
  }
  watching.restart().tick(FAR_MS)
  return { late: watching.watch.late, windows: watching.records.map(({ value }) => value as Record<string, number | string>) }
}

function expectSame(found: readonly Record<string, number | string>[], spec: Spec, arrived: readonly Event[]): void {
  const expected = naiveWindows(spec, arrived)
  expect(found.map(({ from_ms, to_ms }) => [from_ms, to_ms])).toEqual(expected.map(({ from, to }) => [from, to]))
  for (const [index, { events }] of expected.entries()) {
    const aggregates = naiveAggregates(events)
    const window = found[index] ?? {}
    const names = Object.keys(AGGREGATES).filter(name => name in window)
    expect(names.sort()).toEqual(Object.keys(aggregates).sort())
    const scale = 1 + Math.max(...events.map(({ x }) => Math.abs(x ?? 0)))
    for (const name of names) {
      if (/_word$/.test(name)) {
        expect(window[name], `${name} of ${JSON.stringify(events)}`).toBe(aggregates[name])
        continue
      }
      const difference = Math.abs(Number(window[name]) - Number(aggregates[name]))
      // A rate is divided by as little as a thousandth of a second; a sum of squares loses half of its digits.
      expect(difference, `${name} of ${JSON.stringify(events)}`).toBeLessThanOrEqual(scale * 1e-6)
    }
  }
}

describe.each(Object.entries(specs))('%s windows', (_kind, arbitrary) => {
  test('have every aggregate that their definition says, whatever the order within the lateness, and across restarts', () => {
    fc.assert(
      fc.property(arbitrary, history, ({ spec, options }, given) => {
        const arrived = arrivals(given)
        const { windows, late } = windowsOf(options, given.lateness, arrived, given.restarts)
        expect(late).toBe(0)
        expectSame(windows, spec, arrived)
      }),
      RUNS,
    )
  })
})

test('a record that is too late for all its windows is counted and left out; all others are in theirs', () => {
  fc.assert(
    fc.property(
      fc.oneof(specs['tumbling'] as fc.Arbitrary<{ spec: Spec; options: object }>, specs['hopping'] as never),
      history,
      (which, given) => {
        const { spec, options } = which as { spec: Spec & { kind: 'paned' }; options: object }
        const arrived = given.events.map(({ timeMs, x }) => ({ timeMs, x }))
        let newest = Number.NEGATIVE_INFINITY
        const inTime: (Event & { doneMs: number })[] = []
        for (const event of arrived) {
          newest = Math.max(newest, event.timeMs)
          const doneMs = newest - given.lateness
          if (Math.floor(event.timeMs / spec.hop) * spec.hop + spec.size > doneMs) inTime.push({ ...event, doneMs })
        }
        const { windows, late } = windowsOf(options, given.lateness, arrived, given.restarts)
        expect(late).toBe(arrived.length - inTime.length)
        // A window holds what came before it was closed: that is what its watermark then was not yet past.
        const counted = windows.reduce((sum, { records = 0 }) => sum + Number(records), 0)
        const places = inTime.flatMap(({ timeMs, doneMs }) =>
          naiveWindows(spec, [{ timeMs, x: 0 }]).filter(({ to }) => to > doneMs),
        )
        expect(counted).toBe(places.length)
      },
    ),
    RUNS,
  )
})

test('the reference tells a window that is wrong: one that takes its end in, and one that loses a record', () => {
  const events = [0, 100, 200].map(timeMs => ({ timeMs, x: timeMs }))
  const spec = { kind: 'paned', size: 100, hop: 100 } as const
  const right = windowsOf({ every: '100ms' }, 0, events, []).windows
  expectSame(right, spec, events)
  expect(() => expectSame(right, spec, [...events, { timeMs: 99, x: 1 }])).toThrow()
  expect(() => expectSame(right.slice(1), spec, events)).toThrow()
  expect(() =>
    expectSame(
      right.map(window => ({ ...window, sum: Number(window['sum']) + 1 })),
      spec,
      events,
    ),
  ).toThrow()
})

/** Half of what buckets grow by: nearer than this nothing that counts in them can be. */
const BUCKET_ERROR = 0.005

/** The percentile by its definition, interpolated between neighbours, and how far one from buckets may be off it. */
function exactPercentile(sorted: readonly number[], percent: number): { value: number; tolerance: number } {
  const rank = (percent / 100) * (sorted.length - 1)
  const below = sorted[Math.floor(rank)] ?? Number.NaN
  const above = sorted[Math.ceil(rank)] ?? Number.NaN
  const share = rank - Math.floor(rank)
  return {
    value: below + (above - below) * share,
    tolerance: BUCKET_ERROR * (Math.abs(below) * (1 - share) + Math.abs(above) * share),
  }
}

function scatteredValues(seed: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => ((index * 7_919 * seed) % 100_003) - 20_000)
}

test('percentiles past thousands of values are near to half a percent, in whatever order and however merged', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 5_000, max: 9_000 }), (seed, count) => {
      const values = scatteredValues(seed, count)
      const parts = [new Quantiles(), new Quantiles()] as const
      for (const [index, value] of values.entries()) parts[index % 3 === 0 ? 0 : 1].add(value)
      parts[0].merge(Quantiles.restore(JSON.parse(JSON.stringify(parts[1].snapshot()))))
      const sorted = values.toSorted((a, b) => a - b)
      for (const percent of [0, 1, 50, 95, 100]) {
        const { value, tolerance } = exactPercentile(sorted, percent)
        expect(Math.abs(parts[0].at(percent) - value)).toBeLessThanOrEqual(tolerance)
      }
    }),
    // The example's median lies in the middle of a gap in the values: there the nearest value is no reference for what is interpolated.
    { numRuns: 50, examples: [[269, 5_000]] },
  )
})

test('the reference for percentiles tells one that is a single value off at a gap, and one that leaves a part out', () => {
  const values = scatteredValues(269, 5_000)
  const sorted = values.toSorted((a, b) => a - b)
  const { value, tolerance } = exactPercentile(sorted, 50)
  expect(Math.abs((sorted[2_500] ?? 0) - value)).toBeGreaterThan(tolerance)
  const partOnly = new Quantiles()
  for (const each of sorted.slice(0, 4_500)) partOnly.add(each)
  expect(Math.abs(partOnly.at(50) - value)).toBeGreaterThan(tolerance)
})
