import type { Clock } from '../runtime/clock.ts'
import { TokenBuckets } from '../runtime/token-bucket.ts'

/** Certificates that one gateway, or the bearer of one token, is given at once: an answer may be lost on a bad line, and the next, and the next. */
const AT_ONCE = 12
/** And then one in so long, ms; where they are good for a short time, as many more as they need. */
const ONE_IN_MS = 600_000
const IN_A_LIFE = 4

/**
 * How many certificates one asker is given, by name. Each costs signatures, and a row that the register keeps, here and at every core: without a limit,
 * one gateway that is faulty or stolen would take the authority from all others.
 */
export function issueRate(lifeMs: number, clock: Clock): TokenBuckets {
  return new TokenBuckets({ perSecond: 1_000 / Math.min(ONE_IN_MS, lifeMs / IN_A_LIFE), burst: AT_ONCE }, clock)
}
