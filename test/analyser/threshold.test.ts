import { describe, expect, test } from 'vitest'
import type { Alert, Sample } from '../../src/analyser/analyser.ts'
import { silence } from '../../src/analyser/silence.ts'
import { threshold } from '../../src/analyser/threshold.ts'

const SOURCE = { gateway: 'plant-a-1', source: 'compressor-1' }

function sample(timeMs: number, oil_c: unknown): Sample {
  return { source: SOURCE, sequence: 0, timeMs, value: null, fields: { oil_c } }
}

function open(extra: object = {}) {
  return threshold.open('oil-too-hot', threshold.options.parse({ every: '1s', when: 'avg(oil_c) > 90', ...extra }))
}

function states(alerts: readonly Alert[]): string[] {
  return alerts.map(alert => `${alert.timeMs} ${alert.state}`)
}

describe('a threshold', () => {
  test('is raised once when its window closes, and cleared once', () => {
    const analyser = open()
    const alerts = [
      [100, 95],
      [900, 91],
      [1_100, 99],
      [2_100, 20],
      [3_100, 20],
    ].flatMap(([at, value]) => analyser.sample(sample(at as number, value)))
    expect(states(alerts)).toEqual(['1000 raised', '3000 cleared'])
    expect(alerts[0]?.values).toEqual({ 'avg(oil_c)': 93 })
    expect(alerts[0]?.key).toBe('oil-too-hot:plant-a-1/compressor-1:1000:raised')
  })

  test('waits until the condition has held long enough, and begins again after a break', () => {
    const analyser = open({ for: '3s' })
    const hot = [0, 1, 2, 4, 5, 6, 7]
    const alerts = [...Array(9).keys()].flatMap(second => analyser.sample(sample(second * 1_000, hot.includes(second) ? 95 : 10)))
    expect(states(alerts)).toEqual(['3000 raised', '4000 cleared', '7000 raised'])
  })

  test('stays raised until its own end condition holds', () => {
    const analyser = open({ clear_when: 'avg(oil_c) < 80' })
    const alerts = [95, 85, 85, 70, 70].flatMap((value, second) => analyser.sample(sample(second * 1_000, value)))
    expect(states(alerts)).toEqual(['1000 raised', '4000 cleared'])
  })

  test('closes the last window by the clock when no more records come', () => {
    const analyser = open()
    analyser.sample(sample(100, 95))
    expect(analyser.tick(1_900)).toEqual([])
    expect(states(analyser.tick(2_000))).toEqual(['1000 raised'])
    expect(analyser.tick(60_000)).toEqual([])
  })

  test('goes on after a restart as if there had been none', () => {
    const times = [...Array(40).keys()].map(index => index * 250)
    const value = (at: number) => (Math.floor(at / 3_000) % 2 === 0 ? 95 : 50)
    const whole = open({ for: '2s' })
    const expected = times.flatMap(at => whole.sample(sample(at, value(at))))
    for (const cut of [1, 7, 13, 22, 39]) {
      const before = open({ for: '2s' })
      const first = times.slice(0, cut).flatMap(at => before.sample(sample(at, value(at))))
      const after = open({ for: '2s' })
      after.restore(JSON.parse(JSON.stringify(before.snapshot())))
      expect([...first, ...times.slice(cut).flatMap(at => after.sample(sample(at, value(at))))]).toEqual(expected)
    }
    expect(expected.length).toBeGreaterThan(1)
  })

  test('is not closed for years by one record from the future', () => {
    const analyser = open()
    analyser.tick(500)
    analyser.sample(sample(600, 95))
    analyser.sample(sample(4e12, 95))
    analyser.sample(sample(700, 95))
    expect(states(analyser.sample(sample(1_100, 95)))).toEqual(['1000 raised'])
  })

  test('ignores what is no number', () => {
    const analyser = open()
    for (const value of ['95', null, Number.NaN, {}]) analyser.sample(sample(10, value))
    expect(analyser.sample(sample(1_500, 95))).toEqual([])
  })
})

describe('silence', () => {
  test('is raised once after the time, and cleared by the next record', () => {
    const analyser = silence.open('quiet', silence.options.parse({ silence: '10s' }))
    analyser.sample(sample(1_000, 1))
    expect(analyser.tick(10_999)).toEqual([])
    expect(states(analyser.tick(11_000))).toEqual(['11000 raised'])
    expect(analyser.tick(90_000)).toEqual([])
    expect(states(analyser.sample(sample(95_000, 1)))).toEqual(['95000 cleared'])
  })
})
