import { describe, expect, test, vi } from 'vitest'
import { Schedule } from '../../src/reader/batch/due.ts'

function due(pattern: string, zone: string, from: string, to: string): string[] {
  const schedule = new Schedule(pattern, zone)
  const found: string[] = []
  const after = Date.parse(from)
  for (let until = Date.parse(to); ; ) {
    const at = schedule.latestDue(after, until)
    if (at === undefined) return found.reverse()
    found.push(new Date(at).toISOString().slice(0, 16))
    until = at - 1
  }
}

describe('a nightly job', () => {
  test('is due once a night by local time', () => {
    expect(due('0 2 * * *', 'Europe/London', '2026-07-01T00:00Z', '2026-07-03T00:00Z')).toEqual([
      '2026-07-01T01:00',
      '2026-07-02T01:00',
    ])
  })

  test('is due right after the hour that the spring skips', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', '2026-03-30T12:00Z')).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
  })

  test('is due once in the night whose hour comes twice', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-26T12:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ])
  })

  test('was due while nobody looked', () => {
    const schedule = new Schedule('0 2 * * *', 'UTC')
    expect(schedule.latestDue(Date.parse('2026-01-01T00:00Z'), Date.parse('2026-02-10T12:00Z'))).toBe(
      Date.parse('2026-02-10T02:00Z'),
    )
  })

  test('is next due tomorrow', () => {
    const schedule = new Schedule('0 2 * * *', 'Asia/Kolkata')
    expect(schedule.nextDue(Date.parse('2026-07-01T20:30Z'))).toBe(Date.parse('2026-07-02T20:30Z'))
  })
})

test('a job of every quarter of an hour runs on through both clock changes', () => {
  expect(due('*/15 * * * *', 'Europe/Berlin', '2026-03-29T00:30Z', '2026-03-29T01:30Z')).toHaveLength(4)
  expect(due('*/15 * * * *', 'Europe/Berlin', '2026-10-25T00:00Z', '2026-10-25T02:00Z')).toHaveLength(8)
})

test('seconds are kept apart', () => {
  const schedule = new Schedule('*/10 * * * * *', 'UTC')
  expect(schedule.latestDue(0, 25_400)).toBe(20_000)
  expect(schedule.latestDue(20_000, 25_400)).toBeUndefined()
})

test('the next run of a job that seldom runs is known, and the calendar is not asked for every minute until then', () => {
  const asked = vi.spyOn(Intl.DateTimeFormat.prototype, 'formatToParts')
  const next = (pattern: string) => new Date(new Schedule(pattern, 'Europe/London').nextDue(Date.parse('2026-01-02T03:00Z')) ?? 0)
  expect(next('0 2 1 1 *')).toEqual(new Date('2027-01-01T02:00Z'))
  expect(next('30 3 29 2 *')).toEqual(new Date('2028-02-29T03:30Z'))
  expect(next('59 59 3 1 7 *')).toEqual(new Date('2026-07-01T02:59:59Z'))
  expect(asked.mock.calls.length).toBeLessThan(10_000)
  asked.mockRestore()
})

test('a weekly job with seconds that was due days ago was due', () => {
  const schedule = new Schedule('0 0 2 * * 1', 'UTC')
  expect(schedule.latestDue(Date.parse('2026-01-04T00:00Z'), Date.parse('2026-01-08T12:00Z'))).toBe(
    Date.parse('2026-01-05T02:00Z'),
  )
})

test('a nightly job is due once also where the clock is put back by half an hour, or by two', () => {
  expect(due('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00Z', '2026-04-06T00:00Z')).toEqual([
    '2026-04-04T14:45',
    '2026-04-05T15:15',
  ])
  expect(due('30 1 * * *', 'Antarctica/Troll', '2026-10-24T12:00Z', '2026-10-26T12:00Z')).toEqual([
    '2026-10-24T23:30',
    '2026-10-26T01:30',
  ])
})
