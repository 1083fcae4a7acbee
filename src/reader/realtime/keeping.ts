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
/** A shard that says nothing is asked so often whether something else of it is to be kept. */
const QUIET_EVERY_MS = 100

/** What one shard is at. */
interface Lane {
  /** Ends when the part that was handed on is kept, or cannot be; it never rejects. */
  under: Promise<void> | undefined
  handedMs: number
  isLost: boolean
  failure: { readonly cause: unknown } | undefined
}

/**
 * Keeps what the analysers say, shard by shard, one part after another, while the next part is read:
 *
 *   read 1 │ read 2 │ read 3
 *          │ keep 1 │ keep 2
 *
 * So of each shard at most one part is said and not on its way to being kept. How long a part is follows how long keeping takes: an alert waits for what
 * its own shard said with it and just before it, and where the log is slow, it is asked less often.
 */
export class Keeping {
  readonly #deps: KeepingDeps
  readonly #lanes = new Map<number, Lane>()
  #handedMs = Number.NEGATIVE_INFINITY
  /** Nothing was kept yet, or what was handed on could not be. */
  #isStanding = true

  constructor(deps: KeepingDeps) {
    this.#deps = deps
  }

  /** Nothing may be read before {@link keep}: a part could not be kept, or a shard is to be made short, which nothing may be said during. */
  get mustWait(): boolean {
    return this.#isStanding || [...this.#deps.shards.values()].some(shard => shard.isLong)
  }

  /** Enough was read to hand it on. */
  get isDue(): boolean {
    return this.#deps.clock.monotonicMs() - this.#handedMs >= PART_MS
  }

  /**
   * Begins to keep what was said in shards of which nothing is being kept, and waits for those of which something is for too long; gives the shards that
   * other cores were found to keep by now. Rejects where something could not be kept.
   */
  async handOn(): Promise<readonly number[]> {
    const nowMs = this.#deps.clock.monotonicMs()
    this.#handedMs = nowMs
    const slow = [...this.#lanes.values()].filter(({ under, handedMs }) => under && nowMs - handedMs >= PART_MAX_MS)
    await Promise.all(slow.map(({ under }) => under))
    for (const [number, shard] of this.#deps.shards) {
      const lane = this.#laneOf(number)
      if (shard.hasSaid || nowMs - lane.handedMs >= QUIET_EVERY_MS) this.#begin(lane, shard)
    }
    return this.#result()
  }

  /** Keeps what was said, and waits for it; gives the shards that were lost. Rejects where it could not be kept. */
  async keep(): Promise<readonly number[]> {
    await this.settled()
    const before = this.#result()
    // Another core has those: what is said in them is nothing that could be kept.
    for (const [number, shard] of this.#deps.shards) if (!before.includes(number)) this.#begin(this.#laneOf(number), shard)
    await this.settled()
    const after = this.#result()
    this.#isStanding = false
    return [...before, ...after]
  }

  /** Waits for what is under way, whatever becomes of it. */
  async settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ under }) => under))
  }

  #laneOf(number: number): Lane {
    let lane = this.#lanes.get(number)
    if (!lane) {
      lane = { under: undefined, handedMs: Number.NEGATIVE_INFINITY, isLost: false, failure: undefined }
      this.#lanes.set(number, lane)
    }
    return lane
  }

  #begin(lane: Lane, shard: ShardState): void {
    const { clock, onAlert, onKept } = this.#deps
    if (lane.under || lane.isLost || lane.failure) return
    lane.handedMs = clock.monotonicMs()
    lane.under = shard
      .keep({ monotonicMs: lane.handedMs }, onAlert)
      .then(outcome => {
        lane.isLost = outcome === 'lost'
      })
      .catch(cause => {
        lane.failure = { cause }
      })
      .finally(() => {
        lane.under = undefined
        onKept()
      })
  }

  /** Those that were lost are told once. Throws where something could not be kept: the next {@link keep} begins with it. */
  #result(): readonly number[] {
    const lost: number[] = []
    let failure: Lane['failure']
    for (const [number, lane] of this.#lanes) {
      if (lane.isLost) lost.push(number)
      failure ??= lane.failure
      lane.failure = undefined
    }
    if (failure) {
      this.#isStanding = true
      throw failure.cause
    }
    for (const number of lost) this.#lanes.delete(number)
    return lost
  }
}
