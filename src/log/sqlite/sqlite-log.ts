import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { visitRecords } from '../../record/batch-reader.ts'
import { BATCH_BYTES_MAX } from '../../record/check-batch.ts'
import type { EncodedBatch } from '../../record/record.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import { type Clock, pause } from '../../runtime/clock.ts'
import { makeFolderDurably } from '../../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { SourceId } from '../../runtime/names.ts'
import { writeTransaction } from '../../runtime/write-transaction.ts'
import { factsOf } from '../facts-of.ts'
import type {
  Appended,
  BatchFacts,
  Claim,
  Cursor,
  EndProof,
  Fetched,
  FetchLimits,
  Follower,
  GroupMember,
  Log,
  LogIdentity,
  PartitionEnd,
  Place,
  SourceFields,
} from '../log.ts'
import { PollingFollower } from '../polling-follower.ts'
import { SqliteClaims } from './claims.ts'
import { GroupedAppends } from './grouped-appends.ts'
import { type BatchRow, NOTES_SCHEMA, type PartitionRow, SCHEMA, SCHEMA_VERSION } from './schema.ts'

/** How often it is looked whether another process has appended, ms. */
const LOOK_EVERY_MS = 100
const BUSY_LIMIT_MS = 5_000
/** What SQLite says of a file that does not hold what was written. */
const DAMAGED = ['SQLITE_CORRUPT', 'SQLITE_NOTADB']
const DAMAGED_ADVICE =
  'Stop the core, look at the disk, and put a backup of the file in its place: gateways send again what it lacks, as far as their buffers reach. Without a backup move the file (with -wal and -shm) away: a new log begins, and each source has to be resumed (`headrace source resume`).'

/** Another process has the file for a moment. */
const BUSY = ['SQLITE_BUSY', 'SQLITE_LOCKED']
const LOG_UNWRITABLE = 'log_unwritable'

export interface SqliteLogOptions {
  readonly path: string
  readonly clock: Clock
  /** Where a person is told of a file that is damaged, or cannot be written. */
  readonly alarms?: Alarms
}

/** There is one writer, and it checks in the transaction that appends: nothing can make its proof void. */
class AlwaysValid {
  readonly brand = 'end-proof'
}

/** Opens the embedded log, making it where there is none. Rejects with `log_unavailable` or `config_invalid`. */
export async function openSqliteLog(options: SqliteLogOptions): Promise<Log> {
  try {
    return new SqliteLog(options)
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause
    throw new HeadraceError('log_unavailable', `${options.path} cannot be opened as a log: ${messageOf(cause)}`, {
      advice: isDamage(cause) ? DAMAGED_ADVICE : 'Look at the disk and at who may write there. Nothing in the file was changed.',
      cause,
    })
  }
}

/**
 * The embedded log: one SQLite file, one process that writes, any number that read. A batch is a row as it came but for its base offset,
 * which is set as a Kafka broker would. Appends that arrive while a commit runs share the next one.
 */
class SqliteLog implements Log {
  readonly #db: Database.Database
  readonly #clock: Clock
  readonly #alarms: Alarms | undefined
  readonly #path: string
  readonly #uuid: string
  readonly #claims: SqliteClaims
  readonly #appends: GroupedAppends
  readonly #proof: EndProof = new AlwaysValid() as EndProof
  readonly #waiting = new Set<() => void>()
  readonly #statements = new Map<string, Database.Statement>()
  #closed = false

  constructor(options: SqliteLogOptions) {
    this.#clock = options.clock
    this.#alarms = options.alarms
    this.#path = options.path
    makeFolderDurably(dirname(options.path))
    this.#db = new Database(options.path, { timeout: BUSY_LIMIT_MS })
    this.#db.pragma('journal_mode = WAL')
    // better-sqlite3 opens WAL files with NORMAL: what a gateway was told is in the log could be gone after a power cut.
    this.#db.pragma('synchronous = FULL')
    const version = this.#db.pragma('user_version', { simple: true }) as number
    if (version > SCHEMA_VERSION) {
      throw new HeadraceError(
        'config_invalid',
        `${options.path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`,
        {
          advice: 'Start the newer version again, or restore the state directory from before the upgrade.',
        },
      )
    }
    if (version === 0) {
      writeTransaction(this.#db, () => {
        this.#db.exec(SCHEMA)
        this.#prepare('INSERT INTO meta VALUES (?)').run(randomUUID())
        this.#db.pragma(`user_version = ${SCHEMA_VERSION}`)
      })
    }
    this.#db.exec(NOTES_SCHEMA)
    this.#uuid = (this.#prepare('SELECT uuid FROM meta').get() as { uuid: string }).uuid
    this.#claims = new SqliteClaims(this.#db, this.#clock, this.#uuid)
    this.#appends = new GroupedAppends({
      db: this.#db,
      partitionOf: place => this.#partition(place),
      onAppended: () => {
        this.#alarms?.clear(LOG_UNWRITABLE)
        this.#wake()
      },
      onFailed: error => this.#judgeWrite(error),
    })
  }

  async identity(): Promise<LogIdentity> {
    return { engine: 'sqlite', id: this.#uuid }
  }

  async claimOf(source: SourceId): Promise<Claim | undefined> {
    return this.#claims.of(source)
  }

  async claims(): Promise<Claim[]> {
    return this.#claims.all()
  }

  async claim(source: SourceId, topic: string): Promise<Claim> {
    return this.#claims.claim(source, topic)
  }

  async renewEpoch(source: SourceId): Promise<Claim> {
    const claim = this.#claims.standing(source)
    return this.#claims.renewEpoch(claim, this.#partition(claim).next)
  }

  async describe(sources: readonly SourceFields[]): Promise<void> {
    this.#claims.describe(sources)
  }

  async retire(source: SourceId): Promise<Claim> {
    return this.#claims.retire(source)
  }

  async end(place: Place): Promise<PartitionEnd> {
    const { first, next } = this.#partition(place)
    return { first, next, proof: this.#proof }
  }

  async ends(places: readonly Place[]): Promise<Map<Place, PartitionEnd>> {
    return new Map(await Promise.all(places.map(async place => [place, await this.end(place)] as const)))
  }

  async lastBatch(place: Place): Promise<BatchFacts | undefined> {
    const batch = this.#lastOf(place)
    return batch && factsOf(batch)
  }

  async lastBatches<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>> {
    return new Map(
      places.map(place => {
        const batch = this.#lastOf(place)
        return [place, batch && look(batch)]
      }),
    )
  }

  #lastOf(place: Place): Buffer | undefined {
    const { number } = this.#partition(place)
    return this.#prepare<[number], BatchRow>(
      'SELECT first, last, data FROM batches WHERE partition = ? ORDER BY last DESC LIMIT 1',
    ).get(number)?.data
  }

  async batchBytesMax(): Promise<number> {
    return BATCH_BYTES_MAX
  }

  append(place: Place, batch: EncodedBatch, _proof: EndProof): Promise<Appended> {
    return this.#appends.append(place, batch)
  }

  follower(): Follower {
    return new PollingFollower(this)
  }

  async fetch(cursors: readonly Cursor[], limits: FetchLimits): Promise<Fetched[]> {
    const deadline = this.#clock.monotonicMs() + limits.waitMs
    for (;;) {
      const fetched = this.#readOrTell(cursors, limits.maxBytes)
      if (fetched.some(part => part.batches.length > 0 || part.outOfRange)) return fetched
      const leftMs = deadline - this.#clock.monotonicMs()
      if (leftMs <= 0 || this.#closed) return fetched
      await this.#appended(Math.min(leftMs, LOOK_EVERY_MS), limits.signal)
    }
  }

  async offsetAt(place: Place, timeMs: number): Promise<number> {
    const { number, next } = this.#partition(place)
    const row = this.#prepare<[number, number], BatchRow>(
      'SELECT first, last, data FROM batches WHERE partition = ? AND max_time >= ? ORDER BY last LIMIT 1',
    ).get(number, timeMs)
    return row ? firstNotOlder(row, timeMs) : next
  }

  async trim(place: Place, before: number): Promise<void> {
    const { number, first, next } = this.#partition(place)
    const to = Math.min(Math.max(before, first), next)
    writeTransaction(this.#db, () => {
      this.#prepare('DELETE FROM batches WHERE partition = ? AND last < ?').run(number, to)
      this.#prepare('UPDATE partitions SET first = ? WHERE number = ?').run(to, number)
    })
  }

  async commitOffsets(group: string, offsets: readonly Cursor[]): Promise<void> {
    const set = this.#prepare('INSERT INTO offsets VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next')
    writeTransaction(this.#db, () => {
      for (const { topic, partition, from } of offsets) set.run(group, topic, partition, from)
    })
  }

  async committedOffsets(group: string, places: readonly Place[]): Promise<Cursor[]> {
    const get = this.#prepare<[string, string, number], { next: number }>(
      'SELECT next FROM offsets WHERE name = ? AND topic = ? AND partition = ?',
    )
    return places.flatMap(({ topic, partition }) => {
      const row = get.get(group, topic, partition)
      return row ? [{ topic, partition, from: row.next }] : []
    })
  }

  /** Groups of the embedded log are kept by Headrace alone: nobody joins them. */
  async groupMembers(): Promise<readonly GroupMember[]> {
    return []
  }

  /** One process writes here: it has nobody to tell anything. */
  async journal(): Promise<undefined> {
    return undefined
  }

  onProofsVoid(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#appends.flush()
    this.#closed = true
    this.#wake()
    this.#db.close()
  }

  /** Statements are compiled once. */
  #prepare<Bound extends unknown[], Row>(sql: string): Database.Statement<Bound, Row> {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement as Database.Statement<Bound, Row>
  }

  /** Tells a person of damage: nothing that is tried again mends it. What else goes wrong says nothing of the file. */
  #judge(error: unknown): void {
    if (!isDamage(error)) return
    this.#alarms?.raise('log_damaged', {
      message: `The log's file ${this.#path} is damaged: ${messageOf(error)}`,
      advice: DAMAGED_ADVICE,
    })
  }

  /** Tells a person of what keeps records out of the log: gateways keep them, and somebody has to make room before their buffers are full. */
  #judgeWrite(error: unknown): void {
    this.#judge(error)
    if (isDamage(error) || hasCode(error, BUSY)) return
    const what = hasCode(error, ['SQLITE_FULL'])
      ? 'Free space on its file system.'
      : 'Look at owner, permissions and mount of the state directory, and at the disk.'
    this.#alarms?.raise(LOG_UNWRITABLE, {
      message: `The log's file ${this.#path} cannot be written: ${messageOf(error)}`,
      advice: `${what} Meanwhile records wait in the buffers of their gateways; it goes on by itself.`,
    })
  }

  #partition(place: Place): PartitionRow {
    let row: PartitionRow | undefined
    try {
      row = this.#prepare<[string, number], PartitionRow>(
        'SELECT number, first, next FROM partitions WHERE topic = ? AND partition = ?',
      ).get(place.topic, place.partition)
    } catch (error) {
      this.#judge(error)
      throw error
    }
    if (!row) throw new HeadraceError('not_found', `the log has no partition ${place.topic}[${place.partition}]`)
    return row
  }

  #readOrTell(cursors: readonly Cursor[], maxBytes: number): Fetched[] {
    try {
      return this.#read(cursors, maxBytes)
    } catch (error) {
      this.#judge(error)
      throw error
    }
  }

  #read(cursors: readonly Cursor[], maxBytes: number): Fetched[] {
    let budget = maxBytes
    const select = this.#prepare<[number, number], BatchRow>(
      'SELECT first, last, data FROM batches WHERE partition = ? AND last >= ? ORDER BY last',
    )
    return cursors.map(({ topic, partition: partitionNumber, from }) => {
      const { number, first, next } = this.#partition({ topic, partition: partitionNumber })
      const place = { topic, partition: partitionNumber, first, next }
      if (from < first || from > next) return { ...place, batches: [], outOfRange: true as const }
      const batches: Buffer[] = []
      if (budget > 0 && from < next) {
        for (const row of select.iterate(number, from)) {
          batches.push(row.data)
          budget -= row.data.length
          if (budget <= 0) break
        }
      }
      return { ...place, batches }
    })
  }

  /** Resolves at the next append of this process, or after `limitMs`. */
  async #appended(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    try {
      await Promise.race([promise, pause(this.#clock, limitMs, signal)])
    } finally {
      this.#waiting.delete(resolve)
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }
}

function isDamage(error: unknown): boolean {
  return hasCode(error, DAMAGED)
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Database.SqliteError && codes.some(code => error.code.startsWith(code))
}

/** The first record of a batch that is not older; its newest is not, so that there is one. */
function firstNotOlder(row: BatchRow, timeMs: number): number {
  let found: number | undefined
  visitRecords(row.data, record => {
    if (found === undefined && record.timeMs >= timeMs) found = record.sequence
  })
  return found ?? row.first
}
