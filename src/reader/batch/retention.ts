import type { Claim, Log, PartitionEnd } from '../../log/log.ts'
import { readBatchHeader } from '../../record/batch-header.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { namesSource, sourceKey } from '../../runtime/names.ts'
import type { Ledger } from '../ledger.ts'
import type { BatchJob } from './job.ts'
import type { RetentionOptions } from './retention-options.ts'

/** How often it is looked what may go, ms. */
const LOOK_EVERY_MS = 60_000
/** An age is known to this part of it: so many marks are kept for each source. */
const MARKS = 50
/** A backlog that has come this near to a limit is an alarm. */
const ALARM_SHARE = 0.8
/** Bytes from which the size of a source's records is judged. */
const SAMPLE_BYTES = 256 * 1024

export interface RetentionDeps {
  readonly log: Log
  readonly ledger: Ledger
  readonly clock: Clock
  readonly logger: Logger
  readonly alarms: Alarms
  readonly topics: readonly { readonly topic: string; readonly options: RetentionOptions }[]
  /** All jobs of this core, by what they read. */
  readonly jobs: readonly BatchJob[]
}

/** One source at a look. */
interface Standing {
  readonly claim: Claim
  readonly end: PartitionEnd
  /** Up to where the limits would delete. */
  readonly limit: number
  /** Share of the limits that lies in the log unread, and the job that is slowest. */
  readonly unread: number
  readonly read: number
  readonly slowest: string | undefined
}

/**
 * Deletes what is old, or too much, and has been read. A broker would judge age by the records' own times, and delete a gateway's late backlog
 * within minutes: here age is how long a record has been in the log, as marks say that were kept when the log was looked at.
 */
export class Retention {
  readonly #deps: RetentionDeps
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #stopped = false

  constructor(deps: RetentionDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#deps.topics.length > 0) this.#next()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#looking
  }

  /** Looks once at every topic. One that cannot be looked at is looked at the next time. */
  async look(): Promise<void> {
    const { log, logger } = this.#deps
    for (const { topic, options } of this.#deps.topics) {
      try {
        const claims = (await log.claims()).filter(claim => claim.topic === topic)
        await this.#lookAt(claims, options)
      } catch (error) {
        logger.warn({ topic }, `what may be deleted of ${topic} cannot be seen: ${messageOf(error)}`)
      }
    }
  }

  #next(): void {
    if (this.#stopped) return
    this.#looking = this.look().finally(() => {
      this.#looking = undefined
      if (!this.#stopped) this.#timer = this.#deps.clock.after(LOOK_EVERY_MS, () => this.#next(), 'background')
    })
  }

  async #lookAt(claims: readonly Claim[], options: RetentionOptions): Promise<void> {
    const { log, logger } = this.#deps
    const ends = await log.ends(claims)
    const sizes = options.size === undefined ? undefined : await this.#sizesOf(claims, ends)
    const total = sizes ? [...sizes.values()].reduce((sum, { bytes }) => sum + bytes, 0) : 0
    for (const claim of claims) {
      const end = ends.get(claim)
      if (!end) continue
      const byAge = options.age === undefined ? end.first : this.#olderThan(claim, end, options.age)
      const own = sizes?.get(claim)
      // Over the limit each source gives up the same share of what it has.
      const over = own && options.size !== undefined && total > options.size ? 1 - options.size / total : 0
      const bySize = end.first + Math.floor((end.next - end.first) * over)
      const { read, slowest } = this.#readBy(claim, end)
      const standing = { claim, end, limit: Math.max(byAge, bySize), read, slowest, unread: 0 }
      const unread = Math.max(
        options.age === undefined ? 0 : this.#ageOf(claim, read, end) / options.age,
        options.size === undefined || !own ? 0 : ((end.next - read) * own.each * (total / Math.max(1, own.bytes))) / options.size,
      )
      this.#say({ ...standing, unread }, options)
      const before = options.unread === 'keep' ? Math.min(standing.limit, read) : standing.limit
      if (before <= end.first) continue
      for (const job of this.#jobsOf(claim)) await job.keepPlace(claim.source, end.first)
      await log.trim(claim, before)
      logger.info({ source: sourceKey(claim.source), from: end.first, to: before }, 'records were deleted')
    }
  }

  /** The first number that has not been in the log for `ageMs`, as far as the marks know; and a new mark where it is time for one. */
  #olderThan(claim: Claim, end: PartitionEnd, ageMs: number): number {
    const { ledger, clock } = this.#deps
    const now = Math.floor(clock.wallMs())
    const marks = this.#marks(claim)
    const newest = marks.at(-1)?.seenMs ?? Number.NEGATIVE_INFINITY
    const old = marks.findLast(mark => mark.seenMs <= now - ageMs)
    if (now - newest >= ageMs / MARKS) {
      const { topic, partition } = claim
      ledger.setRetentionMarks([{ topic, partition, seenMs: now, next: end.next, dropBeforeMs: old?.seenMs ?? 0 }])
    }
    // A topic that was made anew has marks of the old one.
    return Math.min(old?.next ?? end.first, end.next)
  }

  /** For how long the record at `offset` has been in the log, ms; at least, as far as the marks know. */
  #ageOf(claim: Claim, offset: number, end: PartitionEnd): number {
    if (offset >= end.next) return 0
    const mark = this.#marks(claim).find(each => each.next > offset)
    return mark ? this.#deps.clock.wallMs() - mark.seenMs : 0
  }

  /** Those that a clock which ran ahead has left say nothing until their time has come: new ones are not to wait for it. */
  #marks({ topic, partition }: Claim) {
    const { ledger, clock } = this.#deps
    const now = Math.floor(clock.wallMs())
    return ledger.retentionMarks(topic, partition).filter(({ seenMs }) => seenMs <= now)
  }

  /** Up to where every job of this core that reads the source has read it. */
  #readBy(claim: Claim, end: PartitionEnd): { read: number; slowest: string | undefined } {
    let read = end.next
    let slowest: string | undefined
    for (const { definition } of this.#jobsOf(claim)) {
      const offset = this.#deps.ledger.offsets(definition.name).get(sourceKey(claim.source)) ?? end.first
      if (offset < read) [read, slowest] = [offset, definition.name]
    }
    return { read, slowest }
  }

  #jobsOf({ topic, source }: Claim): BatchJob[] {
    return this.#deps.jobs.filter(
      ({ definition }) => definition.topic === topic && namesSource(definition.options.sources, source),
    )
  }

  #say({ claim, unread, slowest, read, end }: Standing, options: RetentionOptions): void {
    const { alarms } = this.#deps
    const source = sourceKey(claim.source)
    if (slowest === undefined || unread < ALARM_SHARE) {
      alarms.clear('retention_backlog', source)
      return
    }
    const then =
      options.unread === 'keep' ? 'it is kept, and takes more room than it was given' : 'it is deleted at the limit, unread'
    alarms.raise('retention_backlog', {
      source,
      message: `Job ${slowest} has not read ${end.next - read} records of ${source}: ${Math.round(unread * 100)} % of what is kept; ${then}.`,
      advice: `See why the job does not run ("headrace batch runs ${slowest}"), or give \`retention\` more.`,
    })
  }

  /** About how many bytes the records of each source take: judged from some of them, in the middle of what is there. */
  async #sizesOf(claims: readonly Claim[], ends: ReadonlyMap<unknown, PartitionEnd>) {
    const { log } = this.#deps
    const sizes = new Map<Claim, { each: number; bytes: number }>()
    for (const claim of claims) {
      const end = ends.get(claim)
      if (!end || end.next === end.first) continue
      const middle = Math.floor((end.first + end.next) / 2)
      const cursor = { topic: claim.topic, partition: claim.partition, from: middle }
      const [part] = await log.fetch([cursor], { maxBytes: SAMPLE_BYTES, waitMs: 0 })
      const bytes = (part?.batches ?? []).reduce((sum, batch) => sum + batch.length, 0)
      const records = (part?.batches ?? []).reduce((sum, batch) => sum + readBatchHeader(batch).count, 0)
      if (records > 0) sizes.set(claim, { each: bytes / records, bytes: (bytes / records) * (end.next - end.first) })
    }
    return sizes
  }
}
