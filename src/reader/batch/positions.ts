import type { Claim, Log } from '../../log/log.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { sourceKey } from '../../runtime/names.ts'
import { allEnds } from '../all-ends.ts'
import type { Ledger, Loss, Range } from '../ledger.ts'

export interface PositionsDeps {
  readonly log: Log
  readonly ledger: Ledger
  readonly logger: Logger
}

/** Where one job stands. The ledger is the authority; the job's consumer group follows it, and is what is left when the ledger is lost. */
export class Positions {
  readonly #job: string
  readonly #deps: PositionsDeps
  #recovered = false

  constructor(job: string, deps: PositionsDeps) {
    this.#job = job
    this.#deps = deps
  }

  get group(): string {
    return `headrace.${this.#job}`
  }

  /** The next sequence of each source that has one. What a lost ledger knew is taken from the group, once, and kept. */
  async of(claims: readonly Claim[]): Promise<ReadonlyMap<string, number>> {
    const { ledger } = this.#deps
    const known = ledger.offsets(this.#job)
    if (this.#recovered || known.size > 0 || claims.length === 0) return known
    const found = await this.ofGroup(this.group, claims)
    this.#recovered = true
    if (found.size === 0) return known
    ledger.setOffsets(this.#job, found)
    this.#deps.logger.warn(
      { job: this.#job, sources: found.size },
      `the ledger knew nothing of the job: its offsets were taken from the consumer group ${this.group}`,
    )
    return found
  }

  /** What a consumer group has committed, by source. */
  async ofGroup(group: string, claims: readonly Claim[]): Promise<Map<string, number>> {
    const committed = await this.#deps.log.committedOffsets(group, claims)
    const sources = new Map(claims.map(claim => [`${claim.topic}\0${claim.partition}`, sourceKey(claim.source)]))
    return new Map(
      committed.flatMap(({ topic, partition, from }) => {
        const source = sources.get(`${topic}\0${partition}`)
        return source === undefined ? [] : [[source, from] as const]
      }),
    )
  }

  /** Puts the job to other offsets, in ledger and group. Rejects where one of them is not in the log. */
  async set(offsets: ReadonlyMap<string, number>, claims: readonly Claim[]): Promise<void> {
    this.#deps.ledger.setOffsets(this.#job, offsets)
    await this.mirror(claims)
  }

  /**
   * Records that the log has no more, for each source of which there are some, and where the job would go on. A source that the job has never
   * read is one of which it has `begun` to, in a run that failed.
   */
  async losses(
    claims: readonly Claim[],
    begun: readonly Range[],
    nowMs: number,
  ): Promise<{ losses: Loss[]; offsets: Map<string, number> }> {
    const known = new Map([...begun.map(({ source, from }) => [source, from] as const), ...(await this.of(claims))])
    const endOf = await allEnds(this.#deps.log, claims)
    const losses: Loss[] = []
    const offsets = new Map<string, number>()
    for (const claim of claims) {
      const source = sourceKey(claim.source)
      const [at, end] = [known.get(source), endOf(claim)]
      if (at === undefined || (at >= end.first && at <= end.next)) continue
      const [first, next] = at < end.first ? [at, end.first] : [end.next, at]
      losses.push({ source, first, next, acceptedMs: nowMs })
      offsets.set(source, at < end.first ? end.first : end.next)
    }
    return { losses, offsets }
  }

  /** Kafka's own tools show the job's lag by its group. A group that lags behind the ledger harms nobody. */
  async mirror(claims: readonly Claim[]): Promise<void> {
    const { log, ledger, logger } = this.#deps
    const offsets = ledger.offsets(this.#job)
    const cursors = claims.flatMap(({ topic, partition, source }) => {
      const from = offsets.get(sourceKey(source))
      return from === undefined ? [] : [{ topic, partition, from }]
    })
    if (cursors.length === 0) return
    try {
      await log.commitOffsets(this.group, cursors)
    } catch (error) {
      logger.warn({ job: this.#job }, `the consumer group could not be brought up to date: ${messageOf(error)}`)
    }
  }
}
