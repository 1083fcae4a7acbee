import { expect, test } from 'vitest'
import { collectWhenIdle } from '../../src/runtime/idle-collection.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

test('a thread with little to do is collected every five minutes, one that is busy is left alone', async () => {
  const clock = new SimulatedClock()
  let busyFromMs = Number.POSITIVE_INFINITY
  let collected = 0
  const usedMs = () => clock.monotonicMs() * 0.01 + Math.max(0, clock.monotonicMs() - busyFromMs) * 0.5
  const timer = collectWhenIdle({ clock, usedMs, collect: () => collected++ })
  await clock.pass(1_500_000)
  expect(collected).toBe(5)
  busyFromMs = clock.monotonicMs()
  await clock.pass(1_500_000)
  expect(collected).toBe(5)
  busyFromMs = Number.POSITIVE_INFINITY
  await clock.pass(600_000)
  const again = collected
  expect(again).toBeGreaterThan(5)
  timer.cancel()
  await clock.pass(600_000)
  expect(collected).toBe(again)
})

test('what the system says of a thread is taken, and what is collected is garbage', async () => {
  const clock = new SimulatedClock()
  const held: { large: object | undefined } = { large: { text: 'x' } }
  const seen = new WeakRef(held.large as object)
  held.large = undefined
  // The clock runs a million times as fast as this thread can work.
  const timer = collectWhenIdle({ clock })
  await new Promise<void>(resolve => setImmediate(resolve))
  await clock.pass(300_000)
  timer.cancel()
  expect(seen.deref()).toBeUndefined()
})
