import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** Lines that a stranger can cause at will. */
const LINES: Rate = { perSecond: 1, burst: 30 }

/** Warns of what anybody can cause without filling the disk: past a rate lines are left out, and the next that is written says how many. */
export class SparingLog {
  readonly #log: Logger
  readonly #bucket: TokenBucket
  #leftOut = 0

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#bucket = new TokenBucket(LINES, clock)
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message)
  }

  #write(level: 'warn' | 'error', fields: object, message: string): void {
    if (this.#bucket.level < 1) {
      this.#leftOut += 1
      return
    }
    this.#bucket.spend(1)
    this.#log[level](this.#leftOut === 0 ? fields : { ...fields, left_out: this.#leftOut }, message)
    this.#leftOut = 0
  }
}
