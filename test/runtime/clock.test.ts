import { expect, test } from 'vitest'
import { pause, systemClock } from '../../src/runtime/clock.ts'

const DAY_MS = 86_400_000

test('a timer of more than 2³¹ ms does not fire at once', async () => {
  let fired = 0
  const timer = systemClock.after(30 * DAY_MS, () => {
    fired += 1
  })
  await pause(systemClock, 30)
  timer.cancel()
  expect(fired).toBe(0)
})
