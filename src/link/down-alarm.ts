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
  #isRaised = false
  #why: string | undefined

  constructor(clock: Clock, alarms: Alarms, state: () => LinkState) {
    this.#clock = clock
    this.#alarms = alarms
    this.#state = state
  }

  down(): void {
    this.#timer ??= this.#clock.after(DOWN_ALARM_AFTER_MS, () => this.#raise(), 'background')
  }

  /** The latest attempt failed so; where a person was told already, what is said stays true. */
  failed(why: string): void {
    this.#why = why
    if (this.#isRaised) this.#raise()
  }

  /** There is a session, or none is wanted now. */
  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isRaised = false
    this.#why = undefined
    this.#alarms.clear('link_down')
  }

  #raise(): void {
    this.#isRaised = true
    const why = this.#why === undefined ? '' : ` The latest attempt: ${this.#why}`
    this.#alarms.raise('link_down', {
      message: `There is no session with the core for ${DOWN_ALARM_AFTER_MS / 1000} s; the link is ${this.#state()}.${why}`,
      advice: 'Records are kept in the buffer. Look whether the core runs, can be reached, and reaches its log.',
    })
  }
}
