import type { Claim, Log, PartitionEnd } from '../../log/log.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import type { Fields } from '../../record/fields.ts'
import { encodePlaceholder, PLACEHOLDER_RECORDS_MAX } from '../../record/placeholder.ts'
import type { EncodedBatch } from '../../record/record.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { type SourceId, STREAM_GATEWAY, sourceKey } from '../../runtime/names.ts'
import type { StreamTarget } from './definition.ts'
import type { DerivedRecord, KeptStream } from './state-entry.ts'

const RETRY = { firstMs: 200, maxMs: 10_000 }
/** Records of a derived stream in one batch. */
const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 512 * 1024

export interface DerivedWriterDeps {
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  readonly alarms: Alarms
}

/**
 * Writes one derived stream. Its records were kept, with their numbers, before they come here: whichever core writes them, and however often,
 * they are the same. The end of the partition says which are there, and the next one goes only where its number is the next: so each is there
 * once, in order, without a word between the cores.
 */
export class DerivedWriter {
  readonly #deps: DerivedWriterDeps
  readonly #source: SourceId
  readonly #topic: string
  readonly #backoff: Backoff
  readonly #writer = new BatchWriter()
  #claim: Claim | undefined
  #end: PartitionEnd | undefined
  /** The fields that the registry has, as JSON. */
  #told: string | undefined
  #heldUntilMs = 0
  #pass: Promise<void> | undefined

  constructor(target: StreamTarget, deps: DerivedWriterDeps) {
    this.#deps = deps
    this.#source = { gateway: STREAM_GATEWAY, source: target.source }
    this.#topic = target.topic
    this.#backoff = new Backoff(RETRY, deps.random)
  }

  /** The number that the stream's next record has in the log. */
  async next(): Promise<number> {
    const claim = await this.#deps.log.claim(this.#source, this.#topic)
    return (await this.#deps.log.end(claim)).next
  }

  /** Tells the registry what is known of the stream's fields, where it is news. What does not get there is told again when asked next. */
  async describe(fields: Fields): Promise<void> {
    const told = JSON.stringify(fields)
    if (told === this.#told) return
    await this.#deps.log.describe([{ source: this.#source, fields }])
    this.#told = told
  }

  /** Writes what there is, unless it is being written; what was written is taken out of `stream`. */
  wake(stream: KeptStream): void {
    if (this.#pass || stream.derived.length === 0 || this.#deps.clock.monotonicMs() < this.#heldUntilMs) return
    this.#pass = this.#write(stream)
      .then(() => {
        this.#backoff.reset()
        this.#deps.alarms.clear('stream_stalled', sourceKey(this.#source))
      })
      .catch(error => this.#holdBack(error))
      .finally(() => {
        this.#pass = undefined
      })
  }

  async settled(): Promise<void> {
    await this.#pass
  }

  async #write(stream: KeptStream): Promise<void> {
    const { log } = this.#deps
    while (stream.derived.length > 0) {
      this.#claim ??= await log.claim(this.#source, this.#topic)
      this.#end ??= await log.end(this.#claim)
      const { next, proof } = this.#end
      const left = stream.derived.findIndex(({ sequence }) => sequence >= next)
      // All at once: each that is taken off the front of many would move all others.
      stream.derived.splice(0, left < 0 ? stream.derived.length : left)
      const [first] = stream.derived
      if (!first) return
      const batch = first.sequence > next ? this.#fill(this.#claim, next, first) : this.#encode(this.#claim, stream.derived)
      const appended = await log.append(this.#claim, batch, proof)
      const isThere = (appended.outcome === 'appended' || appended.outcome === 'repeated') && appended.offset === batch.sequence
      if (isThere) this.#end = { ...this.#end, next: batch.sequence + batch.count }
      else {
        this.#end = undefined
        if (appended.outcome === 'refused' && appended.reason === 'proof_void') continue
        const detail = 'detail' in appended ? appended.detail : `it was stored at ${appended.offset}, not at ${batch.sequence}`
        throw new HeadraceError('log_unavailable', detail)
      }
    }
  }

  #encode(claim: Claim, records: readonly DerivedRecord[]): EncodedBatch {
    const { producerId, epoch, epochStart } = claim
    this.#writer.begin({ key: sourceKey(this.#source), producerId, epoch, epochStart, sequence: records[0]?.sequence ?? 0 })
    for (const { timeMs, value } of records.slice(0, BATCH_RECORDS_MAX)) {
      if (this.#writer.sizeBytes > BATCH_BYTES_MAX) break
      const bytes = Buffer.from(value)
      this.#writer.append(timeMs, bytes, 0, bytes.length)
    }
    return this.#writer.finish(this.#writer.count > 1 ? 'zstd' : 'none')
  }

  /** The log lost what it had said was there: that is said in its place, since what comes has its numbers. */
  #fill(claim: Claim, next: number, first: DerivedRecord): EncodedBatch {
    const { producerId, epoch, epochStart } = claim
    const count = Math.min(PLACEHOLDER_RECORDS_MAX, first.sequence - next)
    const at = new Date(first.timeMs).toISOString()
    const identity = { key: sourceKey(this.#source), producerId, epoch, epochStart, sequence: next }
    const gap = { records: count, from: at, to: at, reason: 'core_lost' as const }
    return encodePlaceholder(this.#writer, identity, { count, timeMs: first.timeMs, gap })
  }

  #holdBack(error: unknown): void {
    this.#claim = undefined
    this.#end = undefined
    this.#heldUntilMs = this.#deps.clock.monotonicMs() + this.#backoff.nextMs()
    this.#deps.alarms.raise('stream_stalled', {
      source: sourceKey(this.#source),
      message: `The derived stream ${sourceKey(this.#source)} cannot be written: ${messageOf(error)}`,
      advice: 'Its records are kept, and written by themselves as soon as the log takes them.',
    })
  }
}
