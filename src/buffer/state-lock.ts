import { join } from 'node:path'
import Database from 'better-sqlite3'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

/** What SQLite says where somebody else has the lock. Everything else is about the file. */
const HELD = ['SQLITE_BUSY', 'SQLITE_LOCKED']

/** Keeps a state directory to one process: a lock on a file that the system releases with the process, however it ends. */
export class StateLock {
  readonly #db: Database.Database

  private constructor(db: Database.Database) {
    this.#db = db
  }

  /** Throws `state_locked` where another process has it, `disk_unusable` where the lock's file cannot be opened or written. */
  static take(folder: string): StateLock {
    const path = join(folder, 'lock.db')
    let db: Database.Database | undefined
    try {
      db = new Database(path, { timeout: 0 })
      db.pragma('locking_mode = EXCLUSIVE')
      db.exec('BEGIN EXCLUSIVE')
      return new StateLock(db)
    } catch (cause) {
      db?.close()
      const { code = '' } = cause as { code?: string }
      if (HELD.some(known => code.startsWith(known))) {
        throw new HeadraceError('state_locked', `${folder} is used by another process`, {
          advice: 'Only one process may use a state directory. End the other one, or choose another directory.',
          cause,
        })
      }
      throw new HeadraceError('disk_unusable', `${path} cannot be locked: ${code} ${messageOf(cause)}`, {
        advice: 'Look at owner, permissions and mount of the state directory. Nothing in it was changed.',
        cause,
      })
    }
  }

  release(): void {
    if (this.#db.open) this.#db.close()
  }
}
