/** A timer that was set; cancelling it twice, or after it has fired, does nothing. */
export interface Timer {
  cancel(): void
}

/** The only way in which time enters: handed in by constructor, so that a simulation can be the one who tells it. */
export interface Clock {
  /** Wall clock, ms since 1970. May jump either way: for event times and for people, never for a time-out. */
  wallMs(): number
  /** Monotonic clock, ms since some fixed point. For every duration and time-out. */
  monotonicMs(): number
  /** Calls once, no sooner than `delayMs` from now. Does not keep the process alive when `background` is given. */
  after(delayMs: number, call: () => void, background?: 'background'): Timer
}

/** What a date can be, before 1970 and after (ECMAScript, "Time Values"), ms. */
export const DATE_MS_MAX = 8.64e15

/** A timer of Node that is set further away fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, call, background) {
    const atMs = performance.now() + delayMs
    let timer: NodeJS.Timeout
    // Timers of Node count whole milliseconds and cut off what is less: by this clock they come up to two too early.
    const wait = (leftMs: number) => {
      timer = setTimeout(look, Math.min(Math.max(0, leftMs), TIMER_MS_MAX))
      if (background) timer.unref()
    }
    const look = () => {
      const leftMs = atMs - performance.now()
      if (leftMs > 0) wait(leftMs)
      else call()
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Resolves when `work` has settled, either way, or `limitMs` have passed: for an end that must not wait for ever. */
export function settledWithin(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise(resolve => {
    const limit = clock.after(limitMs, resolve)
    work
      .catch(() => {})
      .finally(() => {
        limit.cancel()
        resolve()
      })
  })
}

/** Resolves after `delayMs`, or rejects as soon as `signal` is aborted. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}
