import { describe, expect, test } from 'vitest'
import { anomaly } from '../../src/analyser/anomaly.ts'
import { condition } from '../../src/analyser/condition.ts'
import { drift } from '../../src/analyser/drift.ts'
import { gap } from '../../src/analyser/gap.ts'
import { silence } from '../../src/analyser/silence.ts'
import { SLIDING_RECORDS_MAX } from '../../src/analyser/windows/sliding-stage.ts'
import { SeededRandom } from '../support/random.ts'
import { Watching } from './watching.ts'

describe('silence', () => {
  test('is raised once after the time, and cleared by the next record', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    quiet.sample(1_000, {})
    expect(quiet.tick(10_999).states).toEqual([])
    expect(quiet.tick(11_000).states).toEqual(['11000 raised'])
    quiet.restart().tick(90_000)
    expect(quiet.sample(95_000, {}).states).toEqual(['11000 raised', '95000 cleared'])
  })

  test('is not broken by a placeholder', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    quiet.sample(1_000, {}).sample(9_000, {}, { value: null })
    expect(quiet.tick(11_000).states).toEqual(['11000 raised'])
  })

  test('is raised of a source whose clock was a year ahead: it counted as heard for that year', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    quiet.sample(365 * 86_400_000, {}, { nowMs: 1_000 }).tick(1_000)
    expect(quiet.restart().tick(10_999).states).toEqual([])
    expect(quiet.tick(11_000).states).toEqual(['11000 raised'])
    expect(quiet.sample(12_000, {}).states).toEqual(['11000 raised', '12000 cleared'])
  })
})

describe('silence of a source that speaks', () => {
  const HOUR_MS = 3_600_000

  test('is not raised where the clock of its device is an hour behind, or is set back: it was, and cleared, with every record', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    for (let second = 0; second < 60; second++) {
      const nowMs = 2 * HOUR_MS + second * 1_000
      quiet.sample(second < 20 ? nowMs : nowMs - HOUR_MS, {}, { nowMs }).tick(nowMs + 250)
      if (second === 40) quiet.restart()
    }
    expect(quiet.states).toEqual([])
    quiet.tick(2 * HOUR_MS + 68_999).tick(2 * HOUR_MS + 69_000)
    expect(quiet.states).toEqual([`${2 * HOUR_MS + 69_000} raised`])
    const behind = new Watching(silence, { silence: '10s' })
    expect(behind.sample(1_000, {}, { nowMs: HOUR_MS }).tick(HOUR_MS + 250).states).toEqual([])
  })

  test('is raised once while its gateway is cut off, and not between the parts of the backlog that it brings then', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    quiet.sample(1_000, {}).tick(1_250).tick(HOUR_MS)
    for (let part = 1; part < 60; part++) {
      const nowMs = HOUR_MS + part * 100
      quiet.sample(part * 60_000, {}, { nowMs }).tick(nowMs + 50)
    }
    expect(quiet.states).toEqual(['11000 raised', '60000 cleared'])
  })

  test('counts from its last record where the core was away since: what is read late was not said late', () => {
    const quiet = new Watching(silence, { silence: '10s' })
    quiet.sample(1_000, {}).tick(1_250).restart().sample(2_000, {}, { nowMs: 60_000 }).tick(60_000)
    expect(quiet.states).toEqual(['12000 raised'])
  })
})

describe('gap', () => {
  const lost = { records: 120, from: 'a', to: 'b', reason: 'buffer_full' } as const

  test('tells of records that were lost, and of those that lie too far apart', () => {
    const holes = new Watching(gap, { gap: { longer_than: '5s' } })
    holes.sample(1_000, {}).sample(6_000, {}).sample(11_001, {}).sample(12_000, {}, { gap: lost })
    expect(holes.states).toEqual(['11001 noted', '12000 noted'])
    expect(holes.alerts.map(({ values }) => values)).toEqual([{ gap_ms: 5_001 }, { records: 120 }])
  })

  test('tells of holes after a record of a clock that was a year ahead: it told of one up to there, and of none before', () => {
    const holes = new Watching(gap, { gap: { longer_than: '5s' } })
    holes
      .sample(1_000, {})
      .sample(365 * 86_400_000, {}, { nowMs: 2_000 })
      .sample(3_000, {})
    expect(holes.sample(9_000, {}).states).toEqual(['9000 noted'])
  })

  test('tells of loss in a placeholder, and not where it is not asked to', () => {
    expect(new Watching(gap, { gap: {} }).sample(1, {}, { value: null, gap: lost }).states).toEqual(['1 noted'])
    expect(new Watching(gap, { gap: { lost: false, longer_than: '1h' } }).sample(1, {}, { gap: lost }).states).toEqual([])
  })
})

describe('drift', () => {
  const options = { drift: { field: 'bar', fast: '10s', slow: '10m', by: 2, warm_up: '1m' } }

  test('is raised when a value moves away from where it usually is, and ends when that is where it usually is', () => {
    const watching = new Watching(drift, options)
    for (let second = 0; second < 4_000; second++) {
      if (second % 500 === 250) watching.restart()
      watching.sample(second * 1_000, { bar: second < 1_000 ? 10 : 13 })
    }
    const [raised, cleared, ...more] = watching.alerts
    expect([raised?.state, cleared?.state, more.length]).toEqual(['raised', 'cleared', 0])
    expect(raised?.timeMs).toBeGreaterThan(1_000_000)
    expect(raised?.timeMs).toBeLessThan(1_030_000)
  })

  test('does not mind noise', () => {
    const random = new SeededRandom(7)
    const watching = new Watching(drift, options)
    for (let second = 0; second < 4_000; second++) watching.sample(second * 1_000, { bar: 10 + 4 * (random.next() - 0.5) })
    expect(watching.states).toEqual([])
  })
})

describe.each(['ewma', 'robust'] as const)('anomaly by %s', method => {
  const options = { anomaly: { field: 'amp', method, z: 6, warm_up: 50, span: '60s' } }

  function noise(watching: Watching, from: number, to: number, seed: number): void {
    const random = new SeededRandom(seed)
    for (let second = from; second < to; second++) watching.sample(second * 1_000, { amp: 20 + random.next() + random.next() })
  }

  test('an outlier is told, and its end; ordinary noise is not', () => {
    const watching = new Watching(anomaly, options)
    noise(watching, 0, 600, 1)
    expect(watching.states).toEqual([])
    watching.sample(600_000, { amp: 60 }).restart()
    noise(watching, 601, 700, 2)
    expect(watching.states).toEqual(['600000 raised', '601000 cleared'])
  })

  test('what never varied is an anomaly as soon as it does, and not before', () => {
    const watching = new Watching(anomaly, options)
    for (let second = 0; second < 200; second++) watching.sample(second * 1_000, { amp: 5 })
    expect(watching.states).toEqual([])
    expect(watching.sample(200_000, { amp: 5.1 }).states).toEqual(['200000 raised'])
  })

  test('a smallest deviation keeps what hardly varies quiet', () => {
    const watching = new Watching(anomaly, { anomaly: { ...options.anomaly, deviation_min: 1 } })
    for (let second = 0; second < 200; second++) watching.sample(second * 1_000, { amp: 5 })
    expect(watching.sample(200_000, { amp: 5.1 }).states).toEqual([])
  })
})

test('an outlier of what hardly varies does not hide the next one: with ewma it was learned whole, and the analyser was blind for an hour', () => {
  const options = { field: 'amp', method: 'ewma', z: 6, warm_up: 50, span: '600s' }
  const watching = new Watching(anomaly, { anomaly: { ...options, deviation_min: 0.1 } })
  const steady = (from: number, to: number) => {
    for (let at = from; at < to; at += 10) watching.sample(at * 1_000, { amp: 5 })
  }
  steady(0, 2_000)
  watching.sample(2_000_000, { amp: 9_999 })
  steady(2_010, 2_300)
  watching.sample(2_300_000, { amp: 40 })
  steady(2_310, 2_400)
  expect(watching.states).toEqual(['2000000 raised', '2010000 cleared', '2300000 raised', '2310000 cleared'])
  for (let at = 2_400; at < 12_000; at += 10) watching.sample(at * 1_000, { amp: 8 })
  expect(watching.states.at(-1)).toMatch(/cleared$/)
  expect(watching.states).toHaveLength(6)
})

describe('a sliding window', () => {
  const options = { window: { sliding: '1h' }, when: 'records() > 1000000', values: { n: 'records()' } }

  test('that is full lets the oldest go, counts them, and has the count after a restart', () => {
    const watching = new Watching(condition, options)
    for (let record = 0; record < SLIDING_RECORDS_MAX + 5; record++) watching.sample(record, { bar: 1 })
    expect(watching.watch.cut).toBe(5)
    expect(watching.restart().watch.cut).toBe(5)
  })

  test('counts none where its records have had their time', () => {
    const watching = new Watching(condition, { ...options, window: { sliding: '10s' } })
    for (let record = 0; record < 2 * SLIDING_RECORDS_MAX; record++) watching.sample(record * 10, { bar: 1 })
    expect(watching.watch.cut).toBe(0)
  })
})
