import { type Clock, pause } from '../../runtime/clock.ts'

/** Looks at brokers that have just started, or are making what was asked for, before that is given up. */
export const BUSY_ATTEMPTS_MAX = 100
const BUSY_PAUSE_MS = 100

/** Resolves when it is time for the next look. */
export function busyPause(clock: Clock): Promise<void> {
  return pause(clock, BUSY_PAUSE_MS)
}
