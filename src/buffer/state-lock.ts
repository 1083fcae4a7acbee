import { join } from 'node:path'
import Database from 'better-sqlite3'
import { HeadraceError } from '../runtime/errors.ts'

/** Keeps a state directory to one process: a lock on a file that the system releases with the process, however it ends. */
export class StateLock {
  readonly #db: Database.Database

  private constructor(db: Database.Database) {
    this.#db = db
  }

  /** Throws `state_locked` where another process has it. */
  static take(folder: string): StateLock {
    const db = new Database(join(folder, 'lock.db'), { timeout: 0 })
    try {
      db.pragma('locking_mode = EXCLUSIVE')
      db.exec('BEGIN EXCLUSIVE')
      return new StateLock(db)
    } catch (cause) {
      db.close()
      throw new HeadraceError('state_locked', `${folder} is used by another process`, {
        advice: 'Only one process may use a state directory. End the other one, or choose another directory.',
        cause,
      })
    }
  }

  release(): void {
    if (this.#db.open) this.#db.close()
  }
}
