import type { Database } from 'better-sqlite3'

/**
 * All of `work` or nothing, begun as a transaction that writes: it waits for other processes at its beginning, as long as the connection's `timeout` says.
 * One that reads first and writes then does not wait, but fails at once where another process wrote in between (SQLITE_BUSY_SNAPSHOT).
 */
export function writeTransaction<Result>(db: Database, work: () => Result): Result {
  return db.transaction(work).immediate()
}
