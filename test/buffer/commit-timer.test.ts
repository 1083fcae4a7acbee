import { expect, test } from 'vitest'
import { CommitTimer } from '../../src/buffer/commit-timer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

test('a later wish does not hold up a sooner one', async () => {
  const clock = new SimulatedClock()
  const calls: number[] = []
  const timer = new CommitTimer(clock, () => calls.push(clock.monotonicMs()))
  timer.at(1_000)
  timer.at(50)
  timer.at(700)
  await clock.pass(2_000)
  expect(calls).toEqual([50])
})

test('after a call it can be set again, and what was cancelled is not called', async () => {
  const clock = new SimulatedClock()
  const calls: number[] = []
  const timer = new CommitTimer(clock, () => calls.push(clock.monotonicMs()))
  timer.at(10)
  await clock.pass(20)
  timer.at(30)
  timer.cancel()
  timer.at(40)
  await clock.pass(100)
  expect(calls).toEqual([10, 40])
})

test('what is due already is called once, behind what is going on', async () => {
  const clock = new SimulatedClock()
  let calls = 0
  const timer = new CommitTimer(clock, () => calls++)
  timer.at(-5)
  timer.at(-10)
  expect(calls).toBe(0)
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  expect(calls).toBe(1)
})
