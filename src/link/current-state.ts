import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { assert } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { DownAlarm } from './down-alarm.ts'
import { ARROWS, type LinkState } from './link-state.ts'

/** The state that a link is in. There is one way to change it, along an arrow that exists, and what has to follow follows: log, time and alarm. */
export class CurrentState {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #down: DownAlarm
  #name: LinkState = 'idle'
  #since: string

  constructor(clock: Clock, alarms: Alarms, log: Logger) {
    this.#clock = clock
    this.#log = log
    this.#since = this.#nowText()
    this.#down = new DownAlarm(clock, alarms, () => this.#name)
  }

  get name(): LinkState {
    return this.#name
  }

  /** ISO 8601. */
  get since(): string {
    return this.#since
  }

  become(state: LinkState, session: number | undefined): void {
    if (state === this.#name) return
    assert(ARROWS[this.#name].includes(state), `a link goes from ${this.#name} to ${state}`)
    this.#log.debug({ from: this.#name, to: state, session }, 'link state')
    this.#name = state
    this.#since = this.#nowText()
    if (state === 'sending' || state === 'stopped') this.#down.clear()
    else this.#down.down()
  }

  /** An attempt to have a session failed so. */
  failed(why: string): void {
    this.#down.failed(why)
  }

  /** There is no session because none is wanted now: nobody has to be told. */
  noneWanted(): void {
    this.#down.clear()
  }

  #nowText(): string {
    return new Date(this.#clock.wallMs()).toISOString()
  }
}
