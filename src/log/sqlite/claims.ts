import type Database from 'better-sqlite3'
import { type Fields, fieldsForRegistry } from '../../record/fields.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import { writeTransaction } from '../../runtime/write-transaction.ts'
import type { Claim, SourceFields } from '../log.ts'

export interface ClaimRow {
  readonly at: number
  readonly gateway: string
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly producer: number
  readonly epoch: number
  readonly epoch_start: number
}

interface NoteRow {
  readonly fields: string | null
  readonly retired_ms: number | null
  readonly retired_claim: number | null
}

/** The registry of claims in the embedded log's file. */
export class SqliteClaims {
  readonly #db: Database.Database
  readonly #clock: Clock
  readonly #uuid: string
  readonly #newest: Database.Statement<[string, string], ClaimRow>
  readonly #note: Database.Statement<[string, string], NoteRow>

  constructor(db: Database.Database, clock: Clock, uuid: string) {
    this.#db = db
    this.#clock = clock
    this.#uuid = uuid
    this.#newest = db.prepare('SELECT * FROM claims WHERE gateway = ? AND source = ? ORDER BY at DESC LIMIT 1')
    this.#note = db.prepare('SELECT fields, retired_ms, retired_claim FROM notes WHERE gateway = ? AND source = ?')
  }

  of(source: SourceId): Claim | undefined {
    const row = this.#newest.get(source.gateway, source.source)
    return row && this.#claim(row)
  }

  all(): Claim[] {
    return this.#db
      .prepare<[], ClaimRow>(
        'SELECT * FROM claims WHERE at IN (SELECT max(at) FROM claims GROUP BY gateway, source) ORDER BY topic, partition',
      )
      .all()
      .map(row => this.#claim(row))
  }

  claim(source: SourceId, topic: string): Claim {
    return writeTransaction(this.#db, () => {
      const standing = this.of(source)
      if (standing) return standing
      const { partition } = this.#db
        .prepare<[string], { partition: number }>(
          'SELECT coalesce(max(partition) + 1, 0) AS partition FROM partitions WHERE topic = ?',
        )
        .get(topic) ?? { partition: 0 }
      this.#db.prepare('INSERT INTO partitions (topic, partition, first, next) VALUES (?, ?, 0, 0)').run(topic, partition)
      const { producer } = this.#db
        .prepare<[], { producer: number }>('SELECT coalesce(max(producer) + 1, 1) AS producer FROM claims')
        .get() ?? { producer: 1 }
      return this.#add({ ...source, topic, partition, producer, epoch: 0, epoch_start: 0 })
    })
  }

  /** `next`: where the source's partition ends. */
  renewEpoch({ source, topic, partition, producerId, epoch }: Claim, next: number): Claim {
    return this.#add({ ...source, topic, partition, producer: producerId, epoch: epoch + 1, epoch_start: next })
  }

  describe(sources: readonly SourceFields[]): void {
    const keep = this.#db.prepare(
      `INSERT INTO notes (gateway, source, fields) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET fields = excluded.fields WHERE fields IS NOT excluded.fields`,
    )
    writeTransaction(this.#db, () => {
      for (const { source, fields } of sources) {
        const isClaimed = this.#newest.get(source.gateway, source.source) !== undefined
        if (isClaimed) keep.run(source.gateway, source.source, JSON.stringify(fieldsForRegistry(fields)))
      }
    })
  }

  retire(source: SourceId): Claim {
    return writeTransaction(this.#db, () => {
      const standing = this.standing(source)
      this.#db
        .prepare(
          `INSERT INTO notes (gateway, source, retired_ms, retired_claim) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET retired_ms = excluded.retired_ms, retired_claim = excluded.retired_claim
             WHERE retired_claim IS NOT excluded.retired_claim`,
        )
        .run(source.gateway, source.source, Math.floor(this.#clock.wallMs()), standing.at)
      return this.standing(source)
    })
  }

  standing(source: SourceId): Claim {
    const claim = this.of(source)
    if (!claim) throw new HeadraceError('not_found', `${sourceKey(source)} has no claim`)
    return claim
  }

  #claim(row: ClaimRow): Claim {
    const note = this.#note.get(row.gateway, row.source)
    return {
      source: { gateway: row.gateway, source: row.source },
      topic: row.topic,
      partition: row.partition,
      topicId: this.#uuid,
      producerId: row.producer,
      epoch: row.epoch,
      epochStart: row.epoch_start,
      at: row.at,
      ...(note && note.fields !== null && { fields: JSON.parse(note.fields) as Fields }),
      ...(note && note.retired_ms !== null && note.retired_claim === row.at && { retiredMs: note.retired_ms }),
    }
  }

  #add(claim: Omit<ClaimRow, 'at'>): Claim {
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO claims (gateway, source, topic, partition, producer, epoch, epoch_start)
           VALUES (@gateway, @source, @topic, @partition, @producer, @epoch, @epoch_start)`,
      )
      .run(claim)
    return this.#claim({ ...claim, at: Number(lastInsertRowid) })
  }
}
