import type { Claim, EndProof, Log } from '../../log/log.ts'
import { readBatchHeader } from '../../record/batch-header.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import type { EncodedBatch } from '../../record/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import { decodeEntry, encodeEntry, type StateEntry } from './state-entry.ts'
import type { StateKeeper } from './state-keeper.ts'
import { StateLength } from './state-length.ts'

/** The topic that keeps the state of analysers; a partition for each shard. */
export const STATE_TOPIC = 'headrace.analysers'
/** No gateway can be called so: names have no dot. */
export const STATE_GATEWAY = 'headrace.core'
/** Entries in one batch, bytes before compression: what a broker takes, a million bytes, is far above what that compresses to. */
const BATCH_BYTES_MAX = 512 * 1024
/** Less is written as it is: many small batches are written in a second, and the compressor takes as long to begin as to compress a few kilobytes. */
const COMPRESSED_FROM_BYTES = 4 * 1024
const READ_BYTES = 8 * 2 ** 20
/** A core that was stopped in the middle of a write may still get it in; then the number was taken, and it is tried again. */
const TAKEOVER_ATTEMPTS_MAX = 10
/** The log of entries is made short when so much was written since the last time, bytes. */
const LONG_BYTES = 16 * 2 ** 20

export interface Owner {
  readonly core: string
  readonly instance: string
}

export function shardSource(shard: number): SourceId {
  return { gateway: STATE_GATEWAY, source: `shard-${shard}` }
}

export function isStateTopic(topic: string): boolean {
  return topic === STATE_TOPIC
}

/**
 * One shard's entries in the log, in a partition of their own, written by one core at a time. Who takes a shard over makes a new producer epoch:
 * one of several succeeds (claims), and from its first batch on the log refuses the core before. What that one had under way may still have come
 * in before; then the first batch does not lie at its number, and the takeover is made once more, with nobody left to disturb it. Two that take over
 * in the same moment may be given one epoch: the one whose mark lies in the log has it.
 */
export class ShardLog implements StateKeeper {
  readonly #log: Log
  readonly #clock: Clock
  readonly #claim: Claim
  readonly #writer = new BatchWriter()
  readonly entries: readonly StateEntry[]
  #next: number
  #proof: EndProof
  /** In bytes. */
  readonly #length: StateLength
  /** A batch of which it is not known whether it is in the log: nothing else goes before it. */
  #unsure: EncodedBatch | undefined
  #waiting: Buffer[] = []

  private constructor(
    deps: { log: Log; clock: Clock },
    claim: Claim,
    found: { next: number; proof: EndProof; entries: StateEntry[]; bytes: number },
  ) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#claim = claim
    this.#next = found.next
    this.#proof = found.proof
    this.entries = found.entries
    this.#length = new StateLength(LONG_BYTES, found.bytes)
  }

  /** Rejects with `claim_refused` where another core was quicker. */
  static async takeOver(deps: { log: Log; clock: Clock }, source: SourceId, owner: Owner): Promise<ShardLog> {
    const { log, clock } = deps
    await log.claim(source, STATE_TOPIC)
    const marker = encodeEntry({ kind: 'owner', ...owner, released: false })
    const writer = new BatchWriter()
    for (let attempt = 0; attempt < TAKEOVER_ATTEMPTS_MAX; attempt++) {
      const claim = await log.renewEpoch(source)
      const end = await log.end(claim)
      const { producerId, epoch, epochStart } = claim
      if (end.next !== epochStart) continue
      writer.begin({ key: sourceKey(source), producerId, epoch, epochStart, sequence: end.next })
      writer.append(Math.floor(clock.wallMs()), marker, 0, marker.length)
      const appended = await log.append(claim, writer.finish('none'), end.proof)
      if (appended.outcome === 'refused' && appended.reason === 'fenced')
        throw new HeadraceError('claim_refused', `another core took ${sourceKey(source)} over in the same moment`)
      if (appended.outcome !== 'appended' || appended.offset !== end.next) continue
      const { entries, bytes } = await readEntries(log, claim, end.first, end.next + 1)
      // Two cores may have been given the same epoch, and a log takes the second's batch for a repeat of the first's: what lies there decides.
      const marked = entries.at(-1)
      if (marked?.kind !== 'owner' || marked.instance !== owner.instance)
        throw new HeadraceError('claim_refused', `another core took ${sourceKey(source)} over in the same moment`)
      return new ShardLog(deps, claim, { next: end.next + 1, proof: end.proof, entries, bytes })
    }
    throw new HeadraceError(
      'log_unavailable',
      `${sourceKey(source)} could not be taken over in ${TAKEOVER_ATTEMPTS_MAX} attempts`,
    )
  }

  get isLong(): boolean {
    return this.#length.isLong
  }

  async append(entries: readonly StateEntry[]): Promise<'kept' | 'lost'> {
    for (const entry of entries) this.#waiting.push(encodeEntry(entry))
    while (this.#unsure || this.#waiting.length > 0) {
      this.#unsure ??= this.#encode(this.#waiting.splice(0, batchEnd(this.#waiting)))
      const batch = this.#unsure
      if ((await this.#write(batch)) === 'lost') return 'lost'
      this.#unsure = undefined
      this.#next += batch.count
      this.#length.add(batch.bytes.length)
    }
    return 'kept'
  }

  async readBack(): Promise<readonly StateEntry[]> {
    const { first } = await this.#log.end(this.#claim)
    const { entries } = await readEntries(this.#log, this.#claim, first, this.#next)
    return entries
  }

  startAnew(): () => Promise<void> {
    const from = this.#next
    const ended = this.#length.startAnew()
    return () => {
      ended()
      return this.#log.trim(this.#claim, from)
    }
  }

  #encode(values: readonly Buffer[]): EncodedBatch {
    const { source, producerId, epoch, epochStart } = this.#claim
    this.#writer.begin({ key: sourceKey(source), producerId, epoch, epochStart, sequence: this.#next })
    for (const value of values) this.#writer.append(Math.floor(this.#clock.wallMs()), value, 0, value.length)
    const bytes = values.reduce((sum, { length }) => sum + length, 0)
    return this.#writer.finish(bytes > COMPRESSED_FROM_BYTES ? 'zstd' : 'none')
  }

  async #write(batch: EncodedBatch): Promise<'kept' | 'lost'> {
    const appended = await this.#log.append(this.#claim, batch, this.#proof)
    if (appended.outcome === 'appended' || appended.outcome === 'repeated')
      return appended.offset === batch.sequence ? 'kept' : 'lost'
    if (appended.outcome === 'refused' && appended.reason === 'fenced') return 'lost'
    // Not known, or not proven any more: the end of the partition tells.
    const end = await this.#log.end(this.#claim)
    this.#proof = end.proof
    if (end.next === batch.sequence) {
      const again = await this.#log.append(this.#claim, batch, this.#proof)
      if (again.outcome === 'appended' || again.outcome === 'repeated') return again.offset === batch.sequence ? 'kept' : 'lost'
      if (again.outcome === 'refused' && again.reason === 'fenced') return 'lost'
      throw new HeadraceError('log_unavailable', `the state of analysers could not be kept: ${again.detail}`)
    }
    const last = await this.#log.lastBatch(this.#claim)
    const isOurs = last?.sequence === batch.sequence && last.crc === readBatchHeader(batch.bytes).crc
    return isOurs ? 'kept' : 'lost'
  }
}

/** As many entries as go into one batch, and one at least. */
function batchEnd(values: readonly Buffer[]): number {
  let bytes = values[0]?.length ?? 0
  let to = 1
  while (to < values.length && bytes + (values[to]?.length ?? 0) <= BATCH_BYTES_MAX) bytes += values[to++]?.length ?? 0
  return to
}

/** Entries [from, to), without those of a core that wrote after it had been taken over from, and how many bytes of batches they take. */
async function readEntries(log: Log, claim: Claim, from: number, to: number): Promise<{ entries: StateEntry[]; bytes: number }> {
  const entries: StateEntry[] = []
  let bytes = 0
  let newestEpoch = -1
  for (let next = from; next < to; ) {
    const [part] = await log.fetch([{ topic: claim.topic, partition: claim.partition, from: next }], {
      maxBytes: READ_BYTES,
      waitMs: 500,
    })
    if (part?.outOfRange)
      throw new HeadraceError('offset_out_of_range', `${claim.topic}[${claim.partition}] does not hold ${next}`)
    for (const batch of part?.batches ?? []) {
      bytes += batch.length
      const { producerEpoch } = readBatchHeader(batch)
      for (const { sequence, value } of decodeBatch(batch)) {
        if (sequence < next || sequence >= to) continue
        next = sequence + 1
        if (value !== null && producerEpoch >= newestEpoch) entries.push(decodeEntry(value))
      }
      newestEpoch = Math.max(newestEpoch, producerEpoch)
    }
  }
  return { entries, bytes }
}
