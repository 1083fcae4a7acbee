import type { Clock, Timer } from '../../src/runtime/clock.ts'
import type { SimulatedClock } from '../support/simulated-clock.ts'

/**
 * What makes part of a simulation a process of its own: it can be stopped and woken, as by SIGSTOP and SIGCONT, and killed, as by SIGKILL. What comes to
 * it meanwhile waits, or never comes.
 *
 *   RUNNING ◄──freeze, wake──► FROZEN
 *      └───────────kill──────────┴──► DEAD
 */
export class SimulatedProcess {
  readonly clock: Clock
  readonly #timers = new Set<Timer>()
  readonly #held: (() => void)[] = []
  #state: 'running' | 'frozen' | 'dead' = 'running'

  constructor(base: SimulatedClock) {
    this.clock = {
      wallMs: () => base.wallMs(),
      monotonicMs: () => base.monotonicMs(),
      after: (delayMs, call) => this.#after(base, delayMs, call),
    }
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  /** Calls now, or when it wakes, or never. */
  run(call: () => void): void {
    if (this.#state === 'running') call()
    else if (this.#state === 'frozen') this.#held.push(call)
  }

  /** What another process answers, as this one gets to see it. */
  hears<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(
        value => this.run(() => resolve(value)),
        error => this.run(() => reject(error)),
      )
    })
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen'
  }

  wake(): void {
    if (this.#state !== 'frozen') return
    this.#state = 'running'
    for (const call of this.#held.splice(0)) call()
  }

  kill(): void {
    this.#state = 'dead'
    this.#held.length = 0
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #after(base: SimulatedClock, delayMs: number, call: () => void): Timer {
    if (this.#state === 'dead') return { cancel: () => {} }
    let cancelled = false
    const timer = base.after(delayMs, () => {
      this.#timers.delete(timer)
      this.run(() => {
        if (!cancelled) call()
      })
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        cancelled = true
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }
}

/** Another object as one process sees it: its calls are made while the process lives, and their answers come when it runs. */
export function seenBy<T extends object>(process: SimulatedProcess, target: T): T {
  return new Proxy(target, {
    get(_, key) {
      const member: unknown = Reflect.get(target, key, target)
      if (typeof member !== 'function') return member
      return (...given: unknown[]) => {
        if (!process.alive) return new Promise(() => {})
        const result: unknown = member.apply(target, given)
        return result instanceof Promise ? process.hears(result) : result
      }
    },
  })
}
