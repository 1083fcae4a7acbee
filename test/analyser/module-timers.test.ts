import { expect, test } from 'vitest'
import { defineAnalyser, driveAnalyser } from '../../src/analyser/define-analyser.ts'

const SECOND_MS = 1_000
const DAY_MS = 86_400_000

interface State {
  calls: number
  lastMs: number
}

/** With a timer that sets itself anew each second. */
const beat = defineAnalyser<State>({
  initial: () => ({ calls: 0, lastMs: 0 }),
  onRecord({ timeMs }, _state, context) {
    context.setTimer('beat', timeMs + SECOND_MS)
  },
  onTimer(name, state, context) {
    state.calls += 1
    state.lastMs = context.timeMs
    context.setTimer(name, context.timeMs + SECOND_MS)
  },
})

test('a timer that sets itself anew is called for each time of an outage of hours', () => {
  const driver = driveAnalyser(beat).record(0, {}).advance(DAY_MS)
  expect(driver.state()).toEqual({ calls: 86_400, lastMs: DAY_MS })
})

test('a leap of the time, as of a clock that is set at last, does not keep the process at such a timer: it was called for each second of years', () => {
  const leapMs = 60 * DAY_MS
  const driver = driveAnalyser(beat).record(0, {}).record(leapMs, {})
  expect(driver.state()).toEqual({ calls: 100_002, lastMs: leapMs })
  expect(driver.advance(leapMs + 5 * SECOND_MS).state()).toEqual({ calls: 100_007, lastMs: leapMs + 5 * SECOND_MS })
})
