import { type BatchIdentity, BatchWriter } from '../record/batch-writer.ts'
import { gapHeader, joinGaps, parseGap } from '../record/gap.ts'
import { encodePlaceholder } from '../record/placeholder.ts'
import { type EncodedBatch, type Gap, HEADER } from '../record/record.ts'
import type { ZstdPacker } from '../record/zstd-packer.ts'
import type { BlockVisitor, Records } from './block-codec.ts'
import { type ClockAtCut, settleTime } from './event-time.ts'

export interface Cut {
  readonly identity: BatchIdentity
  /** Missing before the first record. */
  readonly gap: Gap | undefined
  /** The largest batch that the log takes, bytes; no limit where it is not known. */
  readonly bytesMax: number | undefined
}

/** Makes batches of records that get their numbers now. */
export class BatchCutter {
  readonly #writer: BatchWriter
  /** By which times are settled in what is cut; they stay as they are where it is missing. */
  clock: ClockAtCut | undefined

  constructor(packer: ZstdPacker) {
    this.#writer = new BatchWriter(packer)
  }

  /**
   * One batch of all records; several, one behind the other, where one would be larger than the log takes. A record that is too large by itself has a
   * batch of its own: what becomes of it is for the log to say, and nothing else goes with it.
   */
  cut(records: Records, { identity, gap, bytesMax = Number.POSITIVE_INFINITY }: Cut): EncodedBatch[] {
    return this.#cutRange(records, identity, gap, bytesMax, 0, Number.POSITIVE_INFINITY)
  }

  placeholder(identity: BatchIdentity, what: { count: number; timeMs: number; gap: Gap }): EncodedBatch {
    return encodePlaceholder(this.#writer, identity, what)
  }

  /** The records from the `from`-th to before the `to`-th. */
  #cutRange(
    records: Records,
    identity: BatchIdentity,
    gap: Gap | undefined,
    bytesMax: number,
    from: number,
    to: number,
  ): EncodedBatch[] {
    const add = this.#begin({ ...identity, sequence: identity.sequence + from }, from === 0 ? gap : undefined)
    let at = 0
    // All of them is what is nearly always asked for.
    if (to === Number.POSITIVE_INFINITY) records(add)
    else
      records((timeMs, bytes, valueFrom, valueTo, headers) => {
        if (at >= from && at < to) add(timeMs, bytes, valueFrom, valueTo, headers)
        at += 1
      })
    const whole = this.#writer.finish('zstd')
    if (whole.bytes.length <= bytesMax || whole.count === 1) return [whole]
    const each = Math.ceil(whole.count / Math.ceil(whole.bytes.length / bytesMax))
    const parts: EncodedBatch[] = []
    for (let begin = from; begin < from + whole.count; begin += each) {
      const end = Math.min(begin + each, from + whole.count)
      for (const part of this.#cutRange(records, identity, gap, bytesMax, begin, end)) parts.push(part)
    }
    return parts
  }

  /** Begins a batch, and gives what adds records to it; the first carries the gap, joined with one of its own. */
  #begin(identity: BatchIdentity, gap: Gap | undefined): BlockVisitor {
    const writer = this.#writer
    const { clock } = this
    writer.begin(identity)
    let before = gap
    return (taken, bytes, from, to, own) => {
      const settled = clock && settleTime(taken, own, clock)
      const timeMs = settled?.timeMs ?? taken
      const headers = settled?.headers ?? own
      if (before === undefined) {
        writer.append(timeMs, bytes, from, to, headers)
        return
      }
      const declared = headers.find(header => header.key === HEADER.gap)
      const joined = joinGaps(before, declared && parseGap(declared.value)) ?? before
      before = undefined
      writer.append(timeMs, bytes, from, to, [...headers.filter(header => header.key !== HEADER.gap), gapHeader(joined)])
    }
  }
}
