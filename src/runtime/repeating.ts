import type { Clock, Timer } from './clock.ts'

/** Calls every so often, in the background, until it is cancelled; the next wait begins when a call has returned. */
export function repeating(clock: Clock, everyMs: number, call: () => void): Timer {
  let timer: Timer
  const wait = () => {
    timer = clock.after(
      everyMs,
      () => {
        call()
        wait()
      },
      'background',
    )
  }
  wait()
  return { cancel: () => timer.cancel() }
}
