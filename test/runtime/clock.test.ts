import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'

const DAY_MS = 86_400_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([20, 30, 365])('what is due in %i days is not called sooner', days => {
  let calls = 0
  systemClock.after(days * DAY_MS, () => calls++)
  vi.advanceTimersByTime(days * DAY_MS - 1)
  expect(calls).toBe(0)
  vi.advanceTimersByTime(1)
  expect(calls).toBe(1)
})

test('nothing is called sooner by the clock that it was set by: who was told to come again then would find that it is too early', async () => {
  vi.useRealTimers()
  const { promise: isOver, resolve } = Promise.withResolvers<void>()
  const early: number[] = []
  let left = 400
  for (let each = 0; each < 400; each++) {
    const delayMs = (each % 40) + 0.99
    const atMs = systemClock.monotonicMs() + delayMs
    systemClock.after(delayMs, () => {
      if (systemClock.monotonicMs() < atMs - 1e-6) early.push(delayMs)
      if (--left === 0) resolve()
    })
  }
  await isOver
  expect(early).toEqual([])
})

test('what is due in a year is not called once it is cancelled, however late', () => {
  let calls = 0
  const timer = systemClock.after(365 * DAY_MS, () => calls++)
  vi.advanceTimersByTime(100 * DAY_MS)
  timer.cancel()
  vi.advanceTimersByTime(365 * DAY_MS)
  expect(calls).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
