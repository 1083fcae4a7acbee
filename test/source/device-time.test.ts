import { afterEach, beforeEach, expect, test } from 'vitest'
import { deviceTimeReader, timeOptions } from '../../src/source/device-time.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(() => bench.end())

const read = (options: object, record: unknown) =>
  deviceTimeReader(timeOptions.parse(options))(Buffer.from(JSON.stringify(record)))

test.each([
  ['a text with its offset', { field: 'time' }, { time: '2026-07-01T12:00:00+02:00' }, Date.UTC(2026, 6, 1, 10)],
  ['a text of UTC', { field: 'time' }, { time: '2026-07-01 12:00:00.250Z' }, Date.UTC(2026, 6, 1, 12, 0, 0, 250)],
  ['a text without an offset', { field: 'time', offset: '-05:00' }, { time: '2026-07-01T12:00' }, Date.UTC(2026, 6, 1, 17)],
  [
    'date and time in two fields',
    { field: ['date', 'time'] },
    { date: '2026-07-01', time: '12:35:19.00' },
    Date.UTC(2026, 6, 1, 12, 35, 19),
  ],
  ['seconds', { field: 't', format: 'unix_s' }, { t: 1_782_907_200.5 }, 1_782_907_200_500],
  ['seconds as text', { field: 't', format: 'unix_s' }, { t: ' 1782907200.5' }, 1_782_907_200_500],
  ['milliseconds as text', { field: 't', format: 'unix_ms' }, { t: '1782907200000' }, 1_782_907_200_000],
])('%s', (_what, options, record, timeMs) => {
  expect(read(options, record)).toEqual({ timeMs })
})

test.each([
  ['no such field', { field: 'time' }, { other: 1 }, 'no event time in a record'],
  ['a field that is null', { field: ['date', 'time'] }, { date: null, time: '12:00:00' }, 'no event time in a record'],
  ['no object', { field: 'time' }, 5, 'no event time in a record'],
  ['a date that is none', { field: 'time' }, { time: '2026-13-40T12:00:00Z' }, 'an event time could not be read'],
  ['a day that no month has', { field: 'time' }, { time: '2026-02-30T12:00:00Z' }, 'an event time could not be read'],
  ['a day that this February has not', { field: ['d', 't'] }, { d: '2026-02-29', t: '12:00' }, 'an event time could not be read'],
  ['words', { field: 'time' }, { time: 'yesterday' }, 'an event time could not be read'],
  ['before 1970', { field: 't', format: 'unix_s' }, { t: -1 }, 'an event time could not be read'],
  ['an empty text', { field: 't', format: 'unix_s' }, { t: '' }, 'an event time could not be read'],
  ['true or false', { field: 't', format: 'unix_ms' }, { t: true }, 'an event time could not be read'],
  ['a list', { field: 't', format: 'unix_s' }, { t: [] }, 'an event time could not be read'],
  ['hexadecimal digits', { field: 't', format: 'unix_s' }, { t: '0x66' }, 'an event time could not be read'],
  ['what no calendar knows', { field: 't', format: 'unix_s' }, { t: 1e300 }, 'an event time could not be read'],
])('%s: said, and not guessed', (_what, options, record, missing) => {
  expect(read(options, record)).toEqual({ missing })
})

test('a date and a time of day are text: as numbers the second would not be looked at', () => {
  const wrong = timeOptions.safeParse({ field: ['date', 'time'], format: 'unix_s' })
  expect(JSON.stringify(wrong.error?.issues)).toContain('has to be iso8601 where date and time are in two fields')
})

test('a sentence with the time of day alone has the date of the one before it, across midnight too; half of a GPS was counted as without a time', () => {
  const reader = deviceTimeReader(timeOptions.parse({ field: ['date', 'time'] }))
  const take = (record: object) => reader(Buffer.from(JSON.stringify(record)))
  const none = { missing: 'no event time in a record' }
  expect(take({ time: '23:59:59.00' })).toEqual(none)
  expect(take({ date: '2026-06-30', time: '23:59:59.00' })).toEqual({ timeMs: Date.UTC(2026, 5, 30, 23, 59, 59) })
  expect(take({ time: '23:59:59.00' })).toEqual({ timeMs: Date.UTC(2026, 5, 30, 23, 59, 59) })
  expect(take({ time: '00:00:00.50' })).toEqual({ timeMs: Date.UTC(2026, 6, 1, 0, 0, 0, 500) })
  // Too far from it: its day is not known.
  expect(take({ time: '12:00:00.00' })).toEqual(none)
  expect(take({ satellites: 7 })).toEqual(none)
})

test("a source's records have the device's time; those without one the gateway's, and they are counted", async () => {
  const fromMs = Date.now()
  const runner = bench.start(
    'generator',
    { count: 1, records_per_second: 0 },
    { decode: 'json', time: { field: 'id', format: 'unix_ms' } },
  )
  const missing = bench.start(
    'generator',
    { count: 1, records_per_second: 0 },
    { decode: 'json', time: { field: 'nothing' }, name: 's-2' },
  )
  await until('both gave their record', () => bench.records.length === 2)
  const timed = bench.records.find(({ text, timeMs }) => JSON.parse(text).id === timeMs)
  expect(timed).toBeDefined()
  expect(runner.status().trouble).toEqual({})
  expect(missing.status().trouble).toEqual({ 'no event time in a record': 1 })
  expect(bench.records.find(record => record !== timed)?.timeMs).toBeGreaterThanOrEqual(fromMs)
})
