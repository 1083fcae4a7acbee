import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { writeDurably } from '../buffer/durable-file.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { openStateFile } from '../runtime/damaged-database.ts'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { SourceId } from '../runtime/names.ts'

/** Files that may lie set aside; past that what cannot be used stays with the broker. */
const SET_ASIDE_MAX = 10_000

const UNOPENED =
  'Look at the disk. Then move the file away (with -wal and -shm) and start again: what it held is asked of the gateways, and what they keep no more is declared as a gap.'

/** What of a batch is known without reading it. */
export interface ParkedBatch extends SourceId {
  readonly id: number
  readonly sequence: number
  readonly count: number
  readonly epoch: number
  readonly crc: number
}

export interface BatchToPark extends Omit<ParkedBatch, 'id'> {
  readonly bytes: Buffer
}

/** Batches that wait on the core's own disk for the numbers before them, while the broker counts them as taken. */
export interface Parking {
  /** Everything that is parked, of all sources. */
  list(): ParkedBatch[]
  /** On disk when it returns the ids; undefined where there is no room, or the disk fails. */
  put(batches: readonly BatchToPark[]): number[] | undefined
  read(id: number): Buffer
  remove(id: number): void
  /** Keeps bytes that can be neither passed on nor given back, for a person. False where that cannot be done. */
  setAside(what: SourceId & { readonly sequence: number; readonly bytes: Buffer; readonly why: string }): boolean
  close(): void
}

export interface ParkingDeps {
  /** `<state>/core`. */
  readonly folder: string
  readonly maxBytes: number
  readonly alarms: Alarms
  readonly logger: Logger
}

/** Parks in SQLite, with fsync at each commit. */
export class SqliteParking implements Parking {
  readonly #deps: ParkingDeps
  readonly #db: Database.Database
  readonly #insert: Database.Statement
  readonly #read: Database.Statement
  readonly #remove: Database.Statement
  readonly #asideFolder: string
  #bytes: number
  #aside: number
  /** What there was no room for last, bytes. */
  #refusedBytes: number | undefined
  #refusedAside = false

  constructor(deps: ParkingDeps) {
    this.#deps = deps
    const path = join(deps.folder, 'parked.db')
    const db = openStateFile({ path, what: 'what waits for missing numbers', advice: UNOPENED }, openParked)
    this.#db = db
    this.#insert = db.prepare(
      'INSERT INTO parked (gateway, source, sequence, count, epoch, crc, bytes) VALUES (@gateway, @source, @sequence, @count, @epoch, @crc, @bytes)',
    )
    this.#read = db.prepare('SELECT bytes FROM parked WHERE id = ?').pluck()
    this.#remove = db.prepare('DELETE FROM parked WHERE id = ? RETURNING length(bytes)').pluck()
    this.#bytes = Number(db.prepare('SELECT coalesce(sum(length(bytes)), 0) FROM parked').pluck().get())
    this.#asideFolder = join(deps.folder, 'set-aside')
    this.#aside = this.#countAside()
  }

  list(): ParkedBatch[] {
    return this.#db
      .prepare('SELECT id, gateway, source, sequence, count, epoch, crc FROM parked ORDER BY sequence')
      .all() as ParkedBatch[]
  }

  put(batches: readonly BatchToPark[]): number[] | undefined {
    const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
    if (this.#bytes + bytes > this.#deps.maxBytes) {
      this.#refusedBytes = bytes
      this.#full(`${this.#bytes} bytes are parked, ${this.#deps.maxBytes} are allowed`)
      return undefined
    }
    try {
      const insertAll = this.#db.transaction(() => batches.map(batch => Number(this.#insert.run(batch).lastInsertRowid)))
      const ids = insertAll()
      this.#bytes += bytes
      this.#roomAgain()
      return ids
    } catch (cause) {
      this.#refusedBytes = bytes
      this.#full(messageOf(cause))
      return undefined
    }
  }

  read(id: number): Buffer {
    return this.#read.get(id) as Buffer
  }

  remove(id: number): void {
    this.#bytes -= Number(this.#remove.get(id) ?? 0)
    if (this.#refusedBytes !== undefined && this.#bytes + this.#refusedBytes <= this.#deps.maxBytes) this.#roomAgain()
  }

  setAside({ gateway, source, sequence, bytes, why }: Parameters<Parking['setAside']>[0]): boolean {
    const { alarms, logger } = this.#deps
    // Somebody may have taken them away since they were counted.
    if (this.#aside >= SET_ASIDE_MAX) this.#aside = this.#countAside()
    if (this.#aside >= SET_ASIDE_MAX) {
      this.#refusedAside = true
      this.#full(`${this.#aside} files lie in ${this.#asideFolder}`)
      return false
    }
    const name = `${gateway}.${source}.${sequence}.${this.#aside}.batch`
    try {
      makeFolderDurably(this.#asideFolder, 0o750)
      writeDurably(join(this.#asideFolder, name), bytes)
    } catch (cause) {
      this.#refusedAside = true
      this.#full(messageOf(cause))
      return false
    }
    this.#aside += 1
    if (this.#refusedAside && this.#refusedBytes === undefined) this.#roomAgain()
    this.#refusedAside = false
    logger.error({ gateway, source, sequence, why, file: name }, 'a message from the broker is set aside')
    alarms.raise('message_set_aside', {
      source: `${gateway}/${source}`,
      message: `A message from the broker cannot be used, and lies in ${this.#asideFolder}/${name}: ${why}`,
      advice: 'Look who else writes to the queue of this gateway; what is missing of the source is asked for again by itself.',
    })
    return true
  }

  close(): void {
    this.#db.close()
  }

  #countAside(): number {
    return existsSync(this.#asideFolder) ? readdirSync(this.#asideFolder).length : 0
  }

  #roomAgain(): void {
    this.#refusedBytes = undefined
    this.#deps.alarms.clear('parking_full')
  }

  #full(why: string): void {
    this.#deps.alarms.raise('parking_full', {
      message: `Nothing more can be parked: ${why}. Gateways whose numbers are missing wait in the broker.`,
      advice: 'Look at the alarms `numbers_missing`, and at the disk of the core; `ingress.parking` sets the limit.',
    })
  }
}

function openParked(path: string): Database.Database {
  const db = new Database(path)
  db.pragma('journal_mode = WAL')
  // better-sqlite3 takes a reopened file for NORMAL: a batch that the broker forgot has to be on disk here.
  db.pragma('synchronous = FULL')
  db.exec(
    'CREATE TABLE IF NOT EXISTS parked (id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, source TEXT NOT NULL, sequence INTEGER NOT NULL, count INTEGER NOT NULL, epoch INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
  )
  return db
}
