import type Database from 'better-sqlite3'
import { checkBatchCrc, readBatchHeader } from '../../record/batch-header.ts'
import { BASE_SEQUENCE_MODULUS, type EncodedBatch } from '../../record/record.ts'
import { messageOf } from '../../runtime/errors.ts'
import { writeTransaction } from '../../runtime/write-transaction.ts'
import type { Appended, Place } from '../log.ts'
import type { ClaimRow } from './claims.ts'
import type { BatchRow, PartitionRow } from './schema.ts'

/** Appends that share one transaction, and so one fsync. */
const GROUP_MAX = 2_000

interface Pending {
  readonly place: Place
  readonly batch: EncodedBatch
  readonly settle: (appended: Appended) => void
}

export interface GroupedAppendsDeps {
  readonly db: Database.Database
  /** Throws where the log has no such partition. */
  partitionOf(place: Place): PartitionRow
  onAppended(): void
  /** A group could not be committed; those who wait for it are told after this. */
  onFailed(error: unknown): void
}

/**
 * Appends to the embedded log. One fsync is dear, so that those which arrive while a commit runs share the next one; each is checked within the
 * transaction that appends it, by what the claim and the partition's end are then.
 */
export class GroupedAppends {
  readonly #deps: GroupedAppendsDeps
  readonly #claim: Database.Statement<[string, number], ClaimRow>
  readonly #batchAt: Database.Statement<[number, number], BatchRow>
  readonly #insert: Database.Statement
  readonly #moveEnd: Database.Statement
  #pending: Pending[] = []
  #scheduled = false

  constructor(deps: GroupedAppendsDeps) {
    const { db } = deps
    this.#deps = deps
    this.#claim = db.prepare('SELECT * FROM claims WHERE topic = ? AND partition = ? ORDER BY at DESC LIMIT 1')
    this.#batchAt = db.prepare('SELECT first, last, data FROM batches WHERE partition = ? AND last = ?')
    this.#insert = db.prepare('INSERT INTO batches VALUES (?, ?, ?, ?, ?)')
    this.#moveEnd = db.prepare('UPDATE partitions SET next = ? WHERE number = ?')
  }

  append(place: Place, batch: EncodedBatch): Promise<Appended> {
    return new Promise(settle => {
      this.#pending.push({ place, batch, settle })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#pending.length === 0) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  /** Commits what waits, up to a group of it, at once. */
  flush(): void {
    this.#scheduled = false
    const group = this.#pending.splice(0, GROUP_MAX)
    if (group.length === 0) return
    const { db, onAppended, onFailed } = this.#deps
    const answers: [Pending, Appended][] = []
    try {
      writeTransaction(db, () => {
        for (const pending of group) answers.push([pending, this.#appendOne(pending)])
      })
    } catch (error) {
      onFailed(error)
      for (const { settle } of group) settle({ outcome: 'unavailable', detail: messageOf(error) })
      this.#schedule()
      return
    }
    for (const [{ settle }, appended] of answers) settle(appended)
    onAppended()
    this.#schedule()
  }

  /** Checks and appends within the group's transaction. */
  #appendOne({ place, batch }: Pending): Appended {
    const partition = this.#deps.partitionOf(place)
    const claim = this.#claim.get(place.topic, place.partition)
    const refuse = (reason: 'gap' | 'fenced' | 'corrupt', detail: string): Appended => ({ outcome: 'refused', reason, detail })
    if (!claim) return refuse('fenced', 'nobody has claimed the partition')
    let header: ReturnType<typeof readBatchHeader>
    try {
      header = readBatchHeader(batch.bytes)
      checkBatchCrc(batch.bytes, header)
    } catch (error) {
      return refuse('corrupt', messageOf(error))
    }
    if (header.count !== batch.count || header.lastOffsetDelta !== batch.count - 1)
      return refuse('corrupt', 'the batch has another count')
    if (header.producerId !== claim.producer || header.producerEpoch !== claim.epoch) {
      return refuse(
        'fenced',
        `epoch ${header.producerEpoch} of producer ${header.producerId}, now it is ${claim.epoch} of ${claim.producer}`,
      )
    }
    if (header.baseSequence !== (batch.sequence - claim.epoch_start) % BASE_SEQUENCE_MODULUS) {
      return refuse('corrupt', `base sequence ${header.baseSequence} is not that of ${batch.sequence}`)
    }
    if (batch.sequence !== partition.next) {
      const same = this.#batchAt.get(partition.number, batch.sequence + batch.count - 1)
      if (same && same.first === batch.sequence && readBatchHeader(same.data).crc === header.crc) {
        return { outcome: 'repeated', offset: batch.sequence }
      }
      return refuse('gap', `the next number is ${partition.next}, the batch begins at ${batch.sequence}`)
    }
    const data = Buffer.from(batch.bytes)
    data.writeBigInt64BE(BigInt(batch.sequence), 0)
    data.writeInt32BE(claim.epoch, 12)
    const last = batch.sequence + batch.count - 1
    this.#insert.run(partition.number, last, batch.sequence, header.maxTimestampMs, data)
    this.#moveEnd.run(last + 1, partition.number)
    return { outcome: 'appended', offset: batch.sequence }
  }
}
