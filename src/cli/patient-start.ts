import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { EXIT } from './output.ts'

/** After that it ends, and whoever started it decides; below the limit that the shipped unit sets for a start. */
const START_LIMIT_MS = 120_000
const RETRY = { firstMs: 500, maxMs: 5_000 }

/**
 * Starts a core whose Kafka may only just be starting, as after a power cut that took both, or be restarting in this moment. An attempt that fails has
 * closed all that it opened. Rejects with the error of the last attempt, and at once with any that waiting would not mend.
 */
export async function startPatiently<T>(
  start: () => Promise<T>,
  { clock, random, logger }: { clock: Clock; random: () => number; logger: Logger },
): Promise<T> {
  // Nothing is under way between two attempts, and what an attempt may have begun outlives kill -9.
  const end = () => process.exit(EXIT.done)
  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.once(signal, end)
  try {
    const giveUpMs = clock.monotonicMs() + START_LIMIT_MS
    for (const backoff = new Backoff(RETRY, random); ; ) {
      try {
        return await start()
      } catch (error) {
        const waitMs = backoff.nextMs()
        if (!(error instanceof HeadraceError) || error.code !== 'log_unavailable') throw error
        if (clock.monotonicMs() + waitMs > giveUpMs) throw error
        logger.warn({ reason: error.message }, 'Kafka cannot be used yet: it is tried again')
        await pause(clock, waitMs)
      }
    }
  } finally {
    for (const signal of signals) process.off(signal, end)
  }
}
