import type { Clock, Timer } from './clock.ts'
import { messageOf } from './errors.ts'
import type { Logger } from './logger.ts'

/** A part whose work has to go on, or this process is worth nothing. */
export interface Vital {
  readonly part: string
  /** Resolves with what stands still; with undefined where work goes on, or there is none to do. One that never resolves stands still as well. */
  check(): Promise<string | undefined> | string | undefined
}

export interface WatchdogDeps {
  readonly vitals: readonly Vital[]
  /** How often it looks, ms; also how long all checks together may take. */
  readonly everyMs: number
  /** Told while everything goes on; may be told twice. */
  readonly feed: () => Promise<void>
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Feeds whoever watches this process, as long as every part makes progress. A timer alone would go on while nothing flows: here each part answers
 * for its own loop, and one that stands still, or an event loop that is blocked, lets the food end.
 */
export class Watchdog {
  readonly #deps: WatchdogDeps
  #timer: Timer | undefined
  #ended = false

  constructor(deps: WatchdogDeps) {
    this.#deps = deps
  }

  start(): void {
    void this.#look()
  }

  stop(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const { vitals, everyMs, feed, clock, log } = this.#deps
    const late = Promise.withResolvers<string>()
    const limit = clock.after(everyMs, () => late.resolve(`has not answered for ${everyMs} ms`), 'background')
    const standing = await Promise.all(
      vitals.map(async vital => ({ part: vital.part, why: await Promise.race([checked(vital), late.promise]) })),
    )
    limit.cancel()
    if (this.#ended) return
    const still = standing.filter(({ why }) => why !== undefined)
    for (const { part, why } of still) log.error({ watched: part }, `stands still, so that the watchdog is not fed: ${why}`)
    if (still.length === 0) {
      await feed().catch(cause => log.warn({ cause: messageOf(cause) }, 'the service manager cannot be told that all is well'))
    }
    if (!this.#ended) this.#timer = clock.after(everyMs, () => void this.#look(), 'background')
  }
}

/** What a vital says of a loop whose last turn was `stillMs` ago, where it takes one within `limitMs`. */
export function stillFor(stillMs: number, limitMs: number): string | undefined {
  return stillMs > limitMs ? `no turn of its loop for ${Math.round(stillMs / 1_000)} s` : undefined
}

async function checked({ check }: Vital): Promise<string | undefined> {
  try {
    return await check()
  } catch (error) {
    return messageOf(error)
  }
}
