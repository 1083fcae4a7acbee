import type { Alarms } from '../runtime/alarms.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { LinkState } from './link-state.ts'

/** Without a session for so long a person is told, ms. */
const DOWN_ALARM_AFTER_MS = 60_000

/** Tells a person when there is no session for long, though there should be one. */
export class DownAlarm {
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #state: () => LinkState
  #timer: Timer | undefined

  constructor(clock: Clock, alarms: Alarms, state: () => LinkState) {
    this.#clock = clock
    this.#alarms = alarms
    this.#state = state
  }

  down(): void {
    this.#timer ??= this.#clock.after(DOWN_ALARM_AFTER_MS, () => this.#raise(), 'background')
  }

  /** There is a session, or none is wanted now. */
  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#alarms.clear('link_down')
  }

  #raise(): void {
    this.#alarms.raise('link_down', {
      message: `There is no session with the core for ${DOWN_ALARM_AFTER_MS / 1000} s; the link is ${this.#state()}.`,
      advice: 'Records are kept in the buffer. Look whether the core runs, can be reached, and reaches its log.',
    })
  }
}
