import { describe, expect, test } from 'vitest'
import { anomaly } from '../../src/analyser/anomaly.ts'
import { condition } from '../../src/analyser/condition.ts'
import { drift } from '../../src/analyser/drift.ts'
import { Watching } from './watching.ts'

const HOT = { every: '1s', when: 'avg(oil_c) > 90' }

function hot(...points: readonly (readonly [number, unknown])[]): Watching {
  const watching = new Watching(condition, HOT)
  for (const [at, oil_c] of points) watching.sample(at, { oil_c })
  return watching
}

describe('a condition over windows', () => {
  test('is raised once when its window closes, and cleared once', () => {
    const watching = hot([100, 95], [900, 91], [1_100, 99], [2_100, 20], [3_100, 20])
    expect(watching.states).toEqual(['1000 raised', '3000 cleared'])
    expect(watching.alerts[0]).toMatchObject({
      key: 'plant.watched:plant-a-1/compressor-1:1000:raised',
      analyser: 'watched',
      values: { 'avg(oil_c)': 93 },
    })
  })

  test('waits until the condition has held long enough, and begins again after a break', () => {
    const watching = new Watching(condition, { ...HOT, for: '3s' })
    const hotAt = [0, 1, 2, 4, 5, 6, 7]
    for (let second = 0; second < 9; second++) watching.sample(second * 1_000, { oil_c: hotAt.includes(second) ? 95 : 10 })
    expect(watching.states).toEqual(['3000 raised', '4000 cleared', '7000 raised'])
  })

  test('stays raised until its own end condition has held long enough', () => {
    const watching = new Watching(condition, { ...HOT, clear_when: 'avg(oil_c) < 80', clear_for: '2s' })
    for (const [second, oil_c] of [95, 85, 70, 85, 70, 70, 70].entries()) watching.sample(second * 1_000, { oil_c })
    expect(watching.states).toEqual(['1000 raised', '6000 cleared'])
  })

  test('says by which condition it is over, with the values of both', () => {
    const watching = new Watching(condition, { every: '1s', when: 'max(oil_c) > 90', clear_when: 'avg(oil_c) < 85' })
    watching.sample(0, { oil_c: 95 }).sample(1_000, { oil_c: 95 }).sample(1_001, { oil_c: 60 }).sample(2_000, {})
    expect(watching.alerts.map(({ message, values }) => [message, values])).toEqual([
      ['max(oil_c) > 90 holds for plant-a-1/compressor-1: max(oil_c) = 95', { 'max(oil_c)': 95 }],
      [
        'max(oil_c) > 90 is over by avg(oil_c) < 85 for plant-a-1/compressor-1: max(oil_c) = 95, avg(oil_c) = 77.5',
        { 'max(oil_c)': 95, 'avg(oil_c)': 77.5 },
      ],
    ])
  })

  test('closes the last window by the clock when no more records come', () => {
    const watching = hot([100, 95])
    expect(watching.tick(1_900).states).toEqual([])
    expect(watching.tick(2_000).states).toEqual(['1000 raised'])
    expect(watching.tick(60_000).states).toEqual(['1000 raised'])
  })

  test('what an outage held back still counts after the clock has closed the window before it', () => {
    const watching = hot([100, 20]).tick(3_600_000)
    watching.sample(5_100, { oil_c: 95 }).sample(6_100, { oil_c: 20 })
    expect(watching.states).toEqual(['6000 raised'])
  })

  test('goes on after a restart as if there had been none', () => {
    const times = [...Array(40).keys()].map(index => index * 250)
    const value = (at: number) => ({ oil_c: Math.floor(at / 3_000) % 2 === 0 ? 95 : 50 })
    const whole = new Watching(condition, { ...HOT, for: '2s' })
    for (const at of times) whole.sample(at, value(at))
    for (const cut of [1, 7, 13, 22, 39]) {
      const watching = new Watching(condition, { ...HOT, for: '2s' })
      for (const [index, at] of times.entries()) {
        if (index === cut) watching.restart()
        watching.sample(at, value(at))
      }
      expect(watching.alerts).toEqual(whole.alerts)
    }
    expect(whole.alerts.length).toBeGreaterThan(1)
  })

  test('is not closed for years by one record from the future', () => {
    const watching = new Watching(condition, HOT)
    watching.sample(600, { oil_c: 95 }).sample(4e12, { oil_c: 95 }, { nowMs: 700 }).sample(700, { oil_c: 95 })
    expect(watching.sample(1_100, { oil_c: 95 }).states).toEqual(['1000 raised'])
  })

  test('ignores what is no number', () => {
    const watching = hot(...(['95', null, Number.NaN, {}] as const).map(value => [10, value] as const))
    expect(watching.sample(1_500, { oil_c: 95 }).states).toEqual([])
  })

  test('several sources together close when the slowest is past the end, and a silent one holds nobody up', () => {
    const all = new Watching(condition, { ...HOT, when: 'max(oil_c) > 90', patience: '5s' }, null)
    const other = { source: { gateway: 'plant-b', source: 'compressor-2' }, key: 'plant-b/compressor-2' }
    all.sample(100, { oil_c: 20 }).sample(200, { oil_c: 20 }, other)
    all.sample(1_500, { oil_c: 20 }).sample(900, { oil_c: 95 }, other)
    expect(all.states).toEqual([])
    all.sample(1_600, { oil_c: 20 }, other)
    expect(all.states).toEqual(['1000 raised'])
    expect(all.alerts[0]?.source).toBeNull()
    all.sample(9_000, { oil_c: 20 })
    expect(all.states).toEqual(['1000 raised', '2000 cleared'])
  })
})

test('a window of which the condition cannot be reckoned says nothing: the analyser stood still for good at the first', () => {
  const watching = new Watching(condition, { every: '1s', when: 'int(sum(oil_c)) / int(count(oil_c) - 1.0) > 90' })
  watching.sample(100, { oil_c: 95 }).sample(1_100, { oil_c: 95 }).sample(1_200, { oil_c: 95 })
  expect(watching.sample(2_100, {}).states).toEqual(['2000 raised'])
})

test('a source whose clock is ten minutes fast, counted together with others, does not have all of theirs late', () => {
  const options = { every: '1m', values: { n: 'records()' } }
  const all = new Watching(condition, options, null)
  const minutes = 30
  for (let nowMs = 0; nowMs < minutes * 60_000; nowMs += 1_000) {
    for (const name of ['fast', 'meter-1', 'meter-2']) {
      const source = { gateway: 'plant-a', source: name }
      const timeMs = name === 'fast' ? nowMs + 600_000 : nowMs
      all.sample(timeMs, { kwh: 1 }, { source, key: `plant-a/${name}`, nowMs })
    }
    if (nowMs === 900_000) all.restart()
  }
  expect(all.watch.late).toBe(0)
  expect(all.records.map(({ value }) => (value as { n: number }).n)).toEqual([
    ...Array.from({ length: 10 }, () => 120),
    ...Array.from({ length: minutes - 11 }, () => 180),
  ])
})

describe('a condition over records', () => {
  test('is judged at each record, with its hold time', () => {
    const watching = new Watching(condition, { when: 'bar > 7 && state == "run"', for: '2s' })
    const run = (at: number, bar: number) => watching.sample(at, { bar, state: 'run' })
    run(0, 8)
    run(1_000, 8)
    run(1_900, 8)
    expect(watching.states).toEqual([])
    run(2_000, 9)
    run(3_000, 1)
    expect(watching.states).toEqual(['2000 raised', '3000 cleared'])
    expect(watching.alerts[0]?.values).toEqual({ bar: 9 })
  })

  test('two alerts of one state and one time have two keys', () => {
    const watching = new Watching(condition, { when: 'bar > 7' })
    for (const bar of [8, 1, 8]) watching.sample(5, { bar })
    expect(watching.states).toEqual(['5 raised', '5 cleared', '5 raised'])
    expect(new Set(watching.alerts.map(({ key }) => key)).size).toBe(3)
  })
})

describe('units of what is told', () => {
  const units = { oil_c: '°C', bar: 'bar' }

  test('follow each aggregate; a count has none, a rate is for each second', () => {
    const when = 'avg(oil_c) > 90 && count(oil_c) > 0 && rate(bar) > -1.0 && max(unknown) > 0'
    const watching = new Watching(condition, { every: '1s', when }, undefined, units)
    watching.sample(0, { oil_c: 95, bar: 1, unknown: 1 }).sample(900, { oil_c: 97, bar: 1, unknown: 1 }).sample(1_000, {})
    expect(watching.alerts[0]?.units).toEqual({ 'avg(oil_c)': '°C', 'rate(bar)': 'bar/s' })
    expect(watching.alerts[0]?.message).toContain('avg(oil_c) = 96 °C, count(oil_c) = 2, rate(bar) = 0 bar/s, max(unknown) = 1')
  })

  test('are left out where none is known', () => {
    const watching = new Watching(condition, { when: 'oil_c > 90' }).sample(0, { oil_c: 95 })
    expect(watching.alerts[0]).not.toHaveProperty('units')
  })

  test('are those of the field where drift and anomalies are told', () => {
    const drifted = new Watching(
      drift,
      { drift: { field: 'oil_c', fast: '1s', slow: '10s', by: 1, warm_up: '1s' } },
      undefined,
      units,
    )
    for (let at = 0; at < 20; at++) drifted.sample(at * 1_000, { oil_c: at < 10 ? 60 : 90 })
    expect(drifted.alerts[0]?.units).toEqual({ fast: '°C', slow: '°C' })
    const odd = new Watching(anomaly, { anomaly: { field: 'oil_c', warm_up: 5, deviation_min: 1 } }, undefined, units)
    for (let at = 0; at < 20; at++) odd.sample(at * 1_000, { oil_c: at < 10 ? 60 : 90 })
    expect(odd.alerts[0]?.units).toEqual({ value: '°C', expected: '°C' })
    expect(odd.alerts[0]?.message).toContain('value = 90 °C, expected = 60 °C, z = 30')
  })
})

describe('a derived stream', () => {
  test('has a record for each window, with its span and values', () => {
    const watching = new Watching(condition, { every: '1s', values: { oil: 'avg(oil_c)', n: 'records()' } })
    for (const at of [100, 200, 1_100, 3_100]) watching.sample(at, { oil_c: at })
    expect(watching.records.map(({ value }) => value)).toEqual([
      { gateway: 'plant-a-1', source: 'compressor-1', from_ms: 0, to_ms: 1_000, oil: 150, n: 2 },
      { gateway: 'plant-a-1', source: 'compressor-1', from_ms: 1_000, to_ms: 2_000, oil: 1_100, n: 1 },
    ])
  })

  test('without a window, each record that fits is made over', () => {
    const watching = new Watching(condition, { when: 'oil_c > 90', values: { oil_f: 'oil_c * 1.8 + 32.0' } })
    watching.sample(1, { oil_c: 50 }).sample(2, { oil_c: 100 })
    expect(watching.records).toEqual([{ timeMs: 2, value: { gateway: 'plant-a-1', source: 'compressor-1', oil_f: 212 } }])
  })
})
