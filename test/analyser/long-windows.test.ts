import { expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import { SeededRandom } from '../support/random.ts'
import { Watching } from './watching.ts'

/** What is kept of a watch has to fit one message of the log. */
const STATE_CHARACTERS_MAX = 900 * 1024
const MINUTE_MS = 60_000
const EVERY_MS = 50

test('a percentile over an hour of many records fits what is kept: the analyser stood still once its state had grown past that', () => {
  const options = { window: { hopping: '1h' }, every: '1m', values: { p95: 'percentile(ms, 95)', n: 'records()' } }
  const watching = new Watching(condition, options)
  const random = new SeededRandom(3)
  let longest = 0
  for (let atMs = 0; atMs <= 70 * MINUTE_MS; atMs += EVERY_MS) {
    watching.sample(atMs, { ms: 10 + 90 * random.next() })
    if (atMs % (7 * MINUTE_MS) > 0) continue
    longest = Math.max(longest, JSON.stringify(watching.watch.snapshot()).length)
    watching.restart()
  }
  expect(longest).toBeLessThan(STATE_CHARACTERS_MAX)
  expect(watching.records.at(-1)?.value).toMatchObject({ n: 72_000, p95: expect.closeTo(95.5, 0) })
})

test('a percentile of windows that hold a few thousand values together is exact', () => {
  const options = { window: { hopping: '1h' }, every: '1m', values: { p50: 'median(ms)' } }
  const watching = new Watching(condition, options)
  for (let record = 0; record < 3_601; record++) watching.sample(record * 1_000, { ms: record })
  expect(watching.records.at(-1)?.value).toMatchObject({ p50: 1_799.5 })
})

test('a full sliding window over ten fields fits what is kept: the analyser stood still once it was full', () => {
  const names = Array.from({ length: 10 }, (_, index) => `phase_${index}`)
  const when = names.map(name => `avg(${name}) > 2.0`).join(' || ')
  const watching = new Watching(condition, { window: { sliding: '1h' }, when })
  const random = new SeededRandom(4)
  for (let atMs = 0; atMs < 10_000; atMs++)
    watching.sample(1.7e12 + atMs, Object.fromEntries(names.map(name => [name, random.next()])))
  expect(JSON.stringify(watching.watch.snapshot()).length).toBeLessThan(STATE_CHARACTERS_MAX)
  expect(watching.watch.cut).toBe(10_000 - 3_636)
})
