import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { makeFolderDurably } from '../../runtime/durable-folder.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { decodeEntry, encodeEntry, type StateEntry } from './state-entry.ts'
import type { StateKeeper } from './state-keeper.ts'
import { StateLength } from './state-length.ts'

/** The file of entries is made short when so many were written since the last time. */
const LONG_ENTRIES = 5_000

/** Entries on a gateway's disk, with an fsync at each commit: a file of their own, since the buffer's belongs to the link. */
export class FileKeeper implements StateKeeper {
  readonly #db: Database.Database
  readonly entries: readonly StateEntry[]
  /** In entries. */
  readonly #length: StateLength
  #waiting: StateEntry[] = []

  constructor(path: string) {
    makeFolderDurably(dirname(path))
    this.#db = new Database(path)
    this.#db.pragma('journal_mode = WAL')
    // better-sqlite3 opens WAL files with NORMAL: an alert could be told of which nothing is known after a power cut.
    this.#db.pragma('synchronous = FULL')
    this.#db.exec('CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT')
    this.entries = this.#readFirst()
    this.#length = new StateLength(LONG_ENTRIES, this.entries.length)
  }

  get isLong(): boolean {
    return this.#length.isLong
  }

  async append(entries: readonly StateEntry[]): Promise<'kept'> {
    this.#waiting.push(...entries)
    const add = this.#db.prepare('INSERT INTO entries (body) VALUES (?)')
    this.#db.transaction(() => {
      for (const entry of this.#waiting) add.run(encodeEntry(entry))
    })()
    this.#length.add(this.#waiting.length)
    this.#waiting = []
    return 'kept'
  }

  async readBack(): Promise<readonly StateEntry[]> {
    return this.#read()
  }

  startAnew(): () => Promise<void> {
    const row = this.#db.prepare<[], { last: number | null }>('SELECT max(number) AS last FROM entries').get()
    const ended = this.#length.startAnew()
    return async () => {
      ended()
      this.#db.prepare('DELETE FROM entries WHERE number <= ?').run(row?.last ?? 0)
    }
  }

  /** Throws `state_damaged` where what lies there is no entry: a disk that gives back other bytes need not break the database. */
  #readFirst(): StateEntry[] {
    try {
      return this.#read()
    } catch (cause) {
      this.#db.close()
      if (!(cause instanceof HeadraceError)) throw cause
      throw new HeadraceError('state_damaged', cause.message, { cause })
    }
  }

  #read(): StateEntry[] {
    const rows = this.#db.prepare<[], { body: Buffer }>('SELECT body FROM entries ORDER BY number').all()
    return rows.map(({ body }) => decodeEntry(body))
  }

  close(): void {
    this.#db.close()
  }
}
