import { describe, expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import { compileExpression } from '../../src/analyser/expression.ts'
import { WORD_LENGTH_MAX, WORDS_LENGTH_MAX } from '../../src/analyser/field-words.ts'
import { sample, Watching } from './watching.ts'

const SAID = { first: 'first(state)', last: 'last(state)', count: 'count(state)' }
const STATES = ['idle', 'run', 'run', 'fault'] as const

/** What is said of a window with these values, one each 100 ms, from 0 on. */
function ofWindow(values: readonly unknown[], options: object, restarts = false): unknown {
  const watching = new Watching(condition, options)
  for (const [at, state] of values.entries()) {
    watching.sample(at * 100, { state })
    if (restarts) watching.restart()
  }
  watching.tick(1e9)
  return watching.records.at(-1)?.value
}

describe('text in windows: the first, the last, and how many', () => {
  test.each([
    ['tumbling', { every: '1s' }],
    ['hopping', { every: '500ms', window: { hopping: '1s' } }],
    ['sliding', { window: { sliding: '1s' } }],
    ['of a session', { window: { session: '1s' } }],
    ['of a count', { window: { count: 4 } }],
  ])('%s, across restarts', (_kind, window) => {
    for (const restarts of [false, true])
      expect(ofWindow(STATES, { ...window, values: SAID }, restarts)).toMatchObject({ first: 'idle', last: 'fault', count: 4 })
  })

  test('true and false are values as well', () => {
    expect(ofWindow([false, true, true, false], { every: '1s', values: SAID })).toMatchObject({
      first: false,
      last: false,
      count: 4,
    })
  })

  test('an alert is raised by the last state of a window, and says it', () => {
    const watching = new Watching(condition, { every: '1s', when: 'last(state) == "fault" && count(state) > 1' })
    for (const [at, state] of ['run', 'fault', 'run', 'run'].entries()) watching.sample(at * 500, { state })
    watching.tick(1e9)
    expect(watching.states).toEqual(['1000 raised', '2000 cleared'])
    expect(watching.alerts[0]?.message).toContain(': last(state) = fault, count(state) = 2')
    // What a program reads has numbers, as it always had.
    expect(watching.alerts[0]?.values).toEqual({ 'count(state)': 2 })
  })

  test('records that come together are taken in as one by one', () => {
    const told = (atOnce: boolean) => {
      const watching = new Watching(condition, { every: '1s', values: { ...SAID, n: 'records()' } })
      const samples = [...STATES, 7, null, 'late'].map((state, at) => sample(at * 100, { state }))
      watching.sample(0, { state: 'start' })
      if (atOnce) expect(watching.run(samples)).toBe(true)
      else for (const each of samples) watching.watch.sample(each, { alert: () => {}, record: () => {} })
      return watching.tick(1e9).records
    }
    expect(told(true)).toEqual(told(false))
    expect(told(true)[0]?.value).toMatchObject({ first: 'start', last: 'late', count: 7, n: 8 })
  })

  test('those that arrive out of order go by their time', () => {
    const watching = new Watching(condition, { every: '1s', lateness: '1s', values: SAID })
    for (const [at, state] of [
      [300, 'c'],
      [100, 'a'],
      [900, 'z'],
      [500, 'm'],
    ] as const)
      watching.sample(at, { state })
    expect(watching.tick(1e9).records[0]?.value).toMatchObject({ first: 'a', last: 'z', count: 4 })
  })

  test('a field that is a number now and then keeps its numbers for whatever is of numbers alone', () => {
    const values = { ...SAID, sum: 'sum(state)', avg: 'avg(state)', delta: 'delta(state)' }
    expect(ofWindow([1, 'ERR', 3, 'ERR'], { every: '1s', values })).toMatchObject({
      ...{ first: 1, last: 'ERR', count: 4 },
      ...{ sum: 4, avg: 2, delta: 2 },
    })
    expect(ofWindow(['ERR', 'ERR'], { every: '1s', values })).toEqual(
      expect.not.objectContaining({ avg: expect.anything(), delta: expect.anything() }),
    )
  })

  test('of text that is compared with a number nothing is said', () => {
    const watching = new Watching(condition, { every: '1s', when: 'last(state) > 3' })
    watching.sample(0, { state: 5 }).sample(1_000, { state: 'ERR' }).sample(2_000, { state: 1 }).tick(1e9)
    expect(watching.states).toEqual(['1000 raised', '3000 cleared'])
  })

  test('a version that knows numbers alone finds no text among those that are kept', () => {
    for (const window of [{ sliding: '1s' }, { count: 4 }]) {
      const watching = new Watching(condition, { window, lateness: '1s', values: SAID })
      watching.sample(0, { state: 'run' }).sample(5_000, { state: 7 }).sample(5_001, { state: 'idle' })
      const { held, stage } = (watching.watch.snapshot() as { windows: { held: unknown; stage: unknown } }).windows
      expect(held).toEqual([
        [5_000, [7]],
        [5_001, [null], ['idle']],
      ])
      if (Array.isArray(stage)) expect(stage).toEqual([[0, [null], ['run']]])
    }
  })

  test('what an earlier version kept is gone on with', () => {
    const watching = new Watching(condition, { every: '1s', values: { last: 'last(x)', count: 'count(x)' } })
    watching.sample(0, { x: 4 })
    expect(JSON.stringify(watching.watch.snapshot())).toContain('"fields":[[[1,4,4,4,4,4,0,0,4,0]]')
    expect(watching.restart().tick(1e9).records[0]?.value).toMatchObject({ last: 4, count: 1 })
  })
})

describe('text is bounded:', () => {
  test('a long one is kept to its beginning', () => {
    const said = ofWindow(['x'.repeat(1_000)], { every: '1s', values: SAID }) as { last: string }
    expect(said.last).toBe(`${'x'.repeat(WORD_LENGTH_MAX - 1)}…`)
  })

  test('a sliding window holds so much of it; more leaves it before its time, and is counted', () => {
    const watching = new Watching(condition, { window: { sliding: '1h' }, values: SAID })
    const records = WORDS_LENGTH_MAX / 50 + 100
    for (let at = 0; at < records; at++) watching.sample(at, { state: String(at).padEnd(50, '\u0001') })
    expect(watching.watch.cut).toBe(100)
    expect(watching.records.at(-1)?.value).toMatchObject({ count: records - 100 })
    expect(JSON.stringify(watching.watch.snapshot()).length).toBeLessThan(900 * 1024)
    watching.restart().sample(records, { state: 'y'.repeat(50) })
    expect(watching.watch.cut).toBe(101)
  })

  test('so do records that wait for earlier ones', () => {
    const watching = new Watching(condition, { window: { count: 10 }, lateness: '1h', values: SAID })
    for (let at = 0; at < WORDS_LENGTH_MAX / 50 + 20; at++) watching.sample(at, { state: 'z'.repeat(50) })
    expect(watching.records).toHaveLength(2)
  })
})

test('what a derived stream is told of its fields is what it is made of', () => {
  const facts = (text: string, type?: 'text' | 'number') =>
    compileExpression(text, 'window', 'value').factsOf(() => (type ? { type, unit: 'bar' } : {}))
  expect(facts('last(x)', 'text')).toEqual({ type: 'text' })
  expect(facts('last(x)', 'number')).toEqual({ type: 'number', unit: 'bar' })
  expect(facts('last(x)')).toEqual({})
  expect(facts('count(x)', 'text')).toEqual({ type: 'number' })
})
