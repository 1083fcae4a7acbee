import type { Clock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Range } from '../ledger.ts'

/** How often a run says in the log how far it is, ms. */
const SAY_EVERY_MS = 10_000

/** How far a run is: records handed over, of those that its ranges may hold. */
export class Progress {
  readonly run: string
  readonly total: number
  records = 0
  readonly #clock: Clock
  readonly #logger: Logger
  #startedMs: number
  #saidMs: number

  constructor(run: string, ranges: readonly Range[], deps: { clock: Clock; logger: Logger }) {
    this.run = run
    this.total = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#startedMs = deps.clock.monotonicMs()
    this.#saidMs = this.#startedMs
  }

  /** The command is started again, from the beginning. */
  restart(): void {
    this.records = 0
    this.#startedMs = this.#clock.monotonicMs()
  }

  get recordsPerSecond(): number {
    const seconds = (this.#clock.monotonicMs() - this.#startedMs) / 1_000
    return seconds > 0 ? Math.round(this.records / seconds) : 0
  }

  add(records: number): void {
    this.records += records
    const now = this.#clock.monotonicMs()
    if (now - this.#saidMs < SAY_EVERY_MS) return
    this.#saidMs = now
    const percent = Math.floor((this.records / Math.max(1, this.total)) * 100)
    this.#logger.info(
      { run: this.run, records: this.records, total: this.total, records_per_second: this.recordsPerSecond },
      `${this.records} of ${this.total} records (${percent} %)`,
    )
  }
}
