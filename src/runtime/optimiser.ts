import { setFlagsFromString } from 'node:v8'
import type { Clock, Timer } from './clock.ts'

/** How often it looks, ms. */
const LOOK_EVERY_MS = 2_000
/** Of one processor: a process that takes more has enough to do for code that is made faster to pay. With nothing to do, a gateway takes 1 %. */
const BUSY_SHARE = 0.05

export interface OptimiserOptions {
  readonly clock: Clock
  /** Processor time of the process until now, over all threads, ms. */
  readonly usedMs: () => number
  /** Takes flags of V8, which hold for all threads. */
  readonly setFlags: (flags: string) => void
}

/**
 * Keeps V8's optimising compiler away until there is work for it. It is 5 MiB of Node's program, which come into memory with the first function that was
 * called 3,000 times: in a process that lives for years, each. What was counted meanwhile counts, so that a process that becomes busy is made fast at once;
 * one that has been busy keeps what it has.
 */
export class Optimiser {
  readonly #options: OptimiserOptions
  #timer: Timer | undefined

  constructor(options: OptimiserOptions) {
    this.#options = options
  }

  /** Of this process. */
  static ofProcess(clock: Clock): Optimiser {
    return new Optimiser({ clock, usedMs: processorMs, setFlags: setFlagsFromString })
  }

  /** Once everything is loaded: under other flags than those that it was made with, Node compiles its own modules anew. */
  keepAway(): void {
    this.#options.setFlags('--no-turbofan')
    this.#wait()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #wait(): void {
    const { clock, usedMs, setFlags } = this.#options
    const from = { atMs: clock.monotonicMs(), usedMs: usedMs() }
    const look = () => {
      const share = (usedMs() - from.usedMs) / (clock.monotonicMs() - from.atMs)
      if (share < BUSY_SHARE) this.#wait()
      else setFlags('--turbofan')
    }
    this.#timer = clock.after(LOOK_EVERY_MS, look, 'background')
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
