import { describe, expect, test } from 'vitest'
import { type ClockAtCut, clockStamp, settleTime } from '../../src/buffer/event-time.ts'
import type { RecordHeader } from '../../src/record/record.ts'

const NOW_MS = Date.UTC(2026, 10, 28, 12)
const SET: ClockAtCut = { bootId: 'boot-1', set: { nowMs: NOW_MS, offsetMs: NOW_MS - 100_000 } }
const UNSET: ClockAtCut = { bootId: 'boot-1' }
const STAMP = clockStamp('boot-1', 5_000)

function settled(timeMs: number, headers: readonly RecordHeader[], clock: ClockAtCut) {
  const result = settleTime(timeMs, headers, clock)
  return (
    result && { timeMs: result.timeMs, ...Object.fromEntries(result.headers.map(({ key, value }) => [key, value.toString()])) }
  )
}

describe('the time of a record when it is cut', () => {
  test('stays where nothing is wrong with it, without a header', () => {
    for (const timeMs of [0, 1_000, Date.UTC(2015, 0), NOW_MS, NOW_MS + 3_600_000])
      expect(settleTime(timeMs, [], SET)).toBeUndefined()
  })

  test('of an unset clock is moved by what the clock was set by', () => {
    // Taken 20 s after the boot, when the clock said 25 s after 1970; the boot was 100 s before now.
    expect(settled(25_000, [STAMP], SET)).toEqual({ timeMs: NOW_MS - 80_000, clock: `corrected:${NOW_MS - 105_000}` })
  })

  test('stays while the clock is not set, and says so', () => {
    expect(settled(25_000, [STAMP], UNSET)).toEqual({ timeMs: 25_000, clock: 'unset' })
  })

  test('of another boot stays, since nothing is known of it', () => {
    expect(settled(25_000, [clockStamp('boot-0', 5_000)], SET)).toEqual({ timeMs: 25_000, clock: 'unset' })
  })

  test.each([
    ['before 1970', -5, 0, 'corrected:5'],
    ['more than an hour ahead', NOW_MS + 3_600_001, NOW_MS, 'corrected:-3600001'],
  ])('%s becomes one that a broker takes', (_what, timeMs, expected, clock) => {
    expect(settled(timeMs, [], SET)).toEqual({ timeMs: expected, clock })
  })

  test('is not judged by a clock that is not set: the device may know better', () => {
    expect(settleTime(NOW_MS, [], UNSET)).toBeUndefined()
  })

  test('other headers stay', () => {
    const own = { key: 'decode_error', value: Buffer.from('why') }
    expect(settled(25_000, [own, STAMP], UNSET)).toEqual({ timeMs: 25_000, decode_error: 'why', clock: 'unset' })
  })
})
