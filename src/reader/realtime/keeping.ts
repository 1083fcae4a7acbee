import type { Alert } from '../../analyser/analyser.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { AnalyserDefinition } from './definition.ts'
import type { ShardState } from './shard-state.ts'

interface KeepingDeps {
  readonly shards: ReadonlyMap<number, ShardState>
  readonly clock: Clock
  readonly onAlert: (definition: AnalyserDefinition, alert: Alert) => void
  /** Something may go out now. */
  readonly onKept: () => void
}

/** What analysers say is handed on after so long: a fetch that brings a lot must not keep back what its first records say. */
const PART_MS = 10
/** While the part before is not kept, a part grows to this; then it is waited for. */
const PART_MAX_MS = 250

/**
 * Keeps what the analysers of all shards say, one part after another, while the next part is read:
 *
 *   read 1 │ read 2 │ read 3
 *          │ keep 1 │ keep 2
 *
 * So at most one part is said and not on its way to being kept. How long a part is follows how long keeping takes: an alert waits for its own records
 * and few others, and where the log is slow, it is asked less often.
 */
export class Keeping {
  readonly #deps: KeepingDeps
  /** Resolves with the shards that other cores keep now. */
  #under: Promise<readonly number[]> | undefined
  #isBusy = false
  #handedMs = Number.NEGATIVE_INFINITY

  constructor(deps: KeepingDeps) {
    this.#deps = deps
  }

  /** Nothing may be read before {@link keep}: the last part could not be kept, or a shard is to be made short, which nothing may be said during. */
  get mustWait(): boolean {
    return this.#under === undefined || [...this.#deps.shards.values()].some(shard => shard.isLong)
  }

  /** Enough was read to hand it on. */
  get isDue(): boolean {
    const sinceMs = this.#deps.clock.monotonicMs() - this.#handedMs
    return sinceMs >= (this.#isBusy ? PART_MAX_MS : PART_MS)
  }

  /** Nothing is being kept: what was said need not wait. */
  get isFree(): boolean {
    return !this.#isBusy
  }

  /** Begins to keep what was said, once the part before is kept; gives the shards lost with that one. Rejects where it could not be kept. */
  async handOn(): Promise<readonly number[]> {
    const lost = await this.#end()
    this.#handedMs = this.#deps.clock.monotonicMs()
    this.#isBusy = true
    this.#under = this.#keepShards(lost).finally(() => {
      this.#isBusy = false
    })
    // It is thrown to who waits for it next.
    this.#under.catch(() => {})
    return lost
  }

  /** Keeps what was said, and waits for it; gives the shards that were lost. Rejects where it could not be kept. */
  async keep(): Promise<readonly number[]> {
    const lost = await this.handOn()
    const after = await this.#end()
    return [...lost, ...after]
  }

  /** Waits for what is under way, whatever becomes of it. */
  async settled(): Promise<void> {
    await this.#under?.catch(() => {})
  }

  async #end(): Promise<readonly number[]> {
    const under = this.#under
    this.#under = undefined
    return (await under) ?? []
  }

  async #keepShards(without: readonly number[]): Promise<readonly number[]> {
    const { shards, clock, onAlert, onKept } = this.#deps
    const monotonicMs = clock.monotonicMs()
    const lost: number[] = []
    const kept = await Promise.allSettled(
      [...shards]
        .filter(([number]) => !without.includes(number))
        .map(async ([number, shard]) => {
          if ((await shard.keep({ monotonicMs }, onAlert)) === 'lost') lost.push(number)
        }),
    )
    onKept()
    const failed = kept.find(each => each.status === 'rejected')
    if (failed) throw failed.reason
    return lost
  }
}
