import type { Claim, Log } from '../../log/log.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { SHARDS } from './definition.ts'
import { type Owner, ShardLog, STATE_TOPIC, shardSource } from './shard-log.ts'
import { decodeEntry } from './state-entry.ts'

/** How often it is looked at the shards of others. */
const LOOK_EVERY_MS = 1_000
/** A core that has kept nothing for so long is taken over from: some signs of life may be late. */
const SILENT_MS = 6_000

/** A shard as this core sees it from outside. */
interface Seen {
  next: number
  /** Monotonic ms when it last grew. */
  grewMs: number
  owner: Owner | undefined
  released: boolean
}

export interface OwnershipDeps {
  readonly log: Log
  readonly clock: Clock
  readonly logger: Logger
  readonly owner: Owner
}

/**
 * Which shards this core has. There is no leader and nobody is asked: the log says who wrote last, and whoever takes over is the one whose
 * entries it accepts from then on.
 *
 *   nobody has it, or it was released, or its core said nothing for a while, or was this core before it was started anew ─► take it over
 *   another core has two more than this one ─► take one of them over: so the work is shared, and comes back to a core that returns
 */
export class Ownership {
  readonly #deps: OwnershipDeps
  readonly #seen = new Map<number, Seen>()
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(deps: OwnershipDeps) {
    this.#deps = deps
  }

  /**
   * Looks, where it is time, and takes over what is to be taken over, each into `taken` as soon as this core has it: where a later one fails, the log says
   * of those before it that they have a core, and nobody else would come for them until it is silent for too long.
   */
  async look(owned: Iterable<number>, taken: Map<number, ShardLog>): Promise<void> {
    const { clock } = this.#deps
    const own = new Set([...owned, ...taken.keys()])
    if (own.size === SHARDS || clock.monotonicMs() - this.#lookedMs < LOOK_EVERY_MS) return
    const others = Array.from({ length: SHARDS }, (_, shard) => shard).filter(shard => !own.has(shard))
    await this.#see(others)
    const free = others.filter(shard => this.#isFree(shard))
    const surplus = free.length === 0 ? this.#surplus(others, own.size) : undefined
    // Side by side: one answer of a busy log after another, for eight of them, took longer than some sources say anything.
    const takeovers = (surplus === undefined ? free : [surplus]).map(async shard => {
      const log = await this.#takeOver(shard)
      if (log) taken.set(shard, log)
    })
    const failed = (await Promise.allSettled(takeovers)).find(each => each.status === 'rejected')
    if (failed) throw failed.reason
    this.#lookedMs = clock.monotonicMs()
  }

  /** Another core has it now. */
  lost(shard: number): void {
    this.#seen.delete(shard)
  }

  async #see(shards: readonly number[]): Promise<void> {
    const { log, clock } = this.#deps
    const bySource = new Map(
      (await log.claims()).filter(each => each.topic === STATE_TOPIC).map(each => [each.source.source, each]),
    )
    const claims = new Map<number, Claim>()
    for (const shard of shards) {
      const claim = bySource.get(shardSource(shard).source)
      if (claim) claims.set(shard, claim)
    }
    const ends = claims.size > 0 ? await log.ends([...claims.values()]) : new Map()
    for (const [shard, claim] of claims) {
      const end = ends.get(claim)
      if (!end) continue
      const seen = this.#seen.get(shard)
      if (seen && seen.next === end.next) continue
      const last = end.next > end.first ? await this.#lastWord(claim, end.next) : undefined
      const owner = last?.owner ?? seen?.owner
      this.#seen.set(shard, { next: end.next, grewMs: clock.monotonicMs(), owner, released: last?.released ?? false })
    }
  }

  /** The last word of who kept it; a batch without one is from the owner that is known. */
  async #lastWord(claim: Claim, next: number): Promise<{ owner: Owner; released: boolean } | undefined> {
    const { topic, partition } = claim
    const [part] = await this.#deps.log.fetch([{ topic, partition, from: next - 1 }], { maxBytes: 1, waitMs: 0 })
    for (const { value } of (part?.batches ?? []).flatMap(batch => decodeBatch(batch)).toReversed()) {
      const entry = value && decodeEntry(value)
      if (entry?.kind === 'owner') return { owner: { core: entry.core, instance: entry.instance }, released: entry.released }
    }
    return undefined
  }

  #isFree(shard: number): boolean {
    const { clock, owner } = this.#deps
    const seen = this.#seen.get(shard)
    if (!seen || seen.released || seen.next === 0) return true
    // Two cores of one name cannot be: a state directory has one process. This is what the one before had.
    const isOwnPast = seen.owner?.core === owner.core && seen.owner.instance !== owner.instance
    return isOwnPast || clock.monotonicMs() - seen.grewMs >= SILENT_MS
  }

  /** One of the shards of whoever has the most, if that is more than this core's fair share. */
  #surplus(others: readonly number[], own: number): number | undefined {
    const byCore = Map.groupBy(others, shard => this.#seen.get(shard)?.owner?.core ?? '')
    const [largest] = [...byCore.values()].sort((a, b) => b.length - a.length)
    return largest && largest.length >= own + 2 ? largest.at(-1) : undefined
  }

  async #takeOver(shard: number): Promise<ShardLog | undefined> {
    const { log, clock, logger, owner } = this.#deps
    try {
      const taken = await ShardLog.takeOver({ log, clock }, shardSource(shard), owner)
      logger.info({ shard }, `this core keeps shard ${shard} of the analysers`)
      this.#seen.delete(shard)
      return taken
    } catch (error) {
      if (!(error instanceof HeadraceError) || error.code !== 'claim_refused') throw error
      logger.info({ shard }, `shard ${shard} of the analysers went to another core: ${messageOf(error)}`)
      return undefined
    }
  }
}
