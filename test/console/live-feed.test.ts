import { describe, expect, test } from 'vitest'
import { changesOf, LiveFeed, type LiveMessage } from '../../src/console/live-feed.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { until } from '../support/until.ts'

const row = (source: string, next: number) => ({ source, next })

describe('what changed between two looks', () => {
  test('is the rows that are new or another, and whatever else there is', () => {
    const before = { core: { sources: [row('a', 1), row('b', 2)], alarms: [] } }
    const now = { core: { sources: [row('a', 1), row('b', 3), row('c', 0)], alarms: ['x'] } }
    expect(changesOf(before, now)).toEqual({ core: { sources: [row('b', 3), row('c', 0)], alarms: ['x'] } })
  })

  test('what is as it was is not sent again, however much of it there is', () => {
    const reports = [{ gateway: 'g', heard: '2026-01-01' }]
    const before = { core: { sources: [row('a', 1)], reports, alarms: [] } }
    const now = { core: { sources: [row('a', 1)], reports: structuredClone(reports), alarms: ['x'] } }
    expect(changesOf(before, now)).toEqual({ core: { sources: [], alarms: ['x'] } })
  })

  test('is everything where a row or a side is gone', () => {
    const before = { core: { sources: [row('a', 1)] }, edge: { sources: [] } }
    expect(changesOf(before, { core: { sources: [] }, edge: { sources: [] } })).toBeUndefined()
    expect(changesOf(before, { core: { sources: [row('a', 1)] } })).toBeUndefined()
  })
})

test('whoever comes later gets all of it first, and nobody is looked at for nobody', async () => {
  let looks = 0
  const feed = new LiveFeed(async () => ({ core: { sources: [row('a', looks++)] } }), systemClock)
  const first: LiveMessage[] = []
  const second: LiveMessage[] = []
  const endFirst = feed.watch(message => first.push(message))
  await until('the first has all', () => first.length > 0)
  const endSecond = feed.watch(message => second.push(message))
  await until('the second has something', () => second.length > 0)
  expect(first[0]?.kind).toBe('all')
  expect(second[0]).toMatchObject({ kind: 'all', sides: { core: { sources: [{ source: 'a' }] } } })
  endFirst()
  endSecond()
  const seen = looks
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(looks).toBe(seen)
})

test('a look that fails is told, and the next one goes on', async () => {
  let fails = true
  const feed = new LiveFeed(async () => {
    if (fails) throw new Error('the log is away')
    return { core: { sources: [] } }
  }, systemClock)
  const told: LiveMessage[] = []
  const end = feed.watch(message => told.push(message))
  await until('it is told', () => told.some(({ kind }) => kind === 'trouble'))
  fails = false
  await until('it goes on', () => told.some(({ kind }) => kind === 'all'))
  end()
})
