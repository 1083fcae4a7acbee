import Database from 'better-sqlite3'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS alerts (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL, analyser TEXT NOT NULL, source TEXT, state TEXT NOT NULL,
  time INTEGER NOT NULL, message TEXT NOT NULL, vals TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS acknowledgements (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, by TEXT NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS silences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, analyser TEXT NOT NULL, source TEXT NOT NULL, started INTEGER NOT NULL,
  until INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS held (
  number INTEGER PRIMARY KEY, sink TEXT NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL,
  json TEXT NOT NULL, time INTEGER NOT NULL, UNIQUE (sink, id, source)
) STRICT;
CREATE TABLE IF NOT EXISTS words (number INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS taken (source TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;`

/** What a file of the first version is made into the present one with: it knew of one core alone. */
const FROM_FIRST = `
ALTER TABLE alerts RENAME TO first_alerts;
ALTER TABLE silences RENAME TO first_silences;
${SCHEMA}
INSERT INTO alerts SELECT number, key, id, analyser, source, state, time, message, vals FROM first_alerts;
INSERT INTO acknowledgements (key, by, at, note) SELECT key, ack_by, ack_at, ack_note FROM first_alerts WHERE ack_by IS NOT NULL;
INSERT INTO silences SELECT id, lower(hex(randomblob(16))), analyser, source, started, until, by, reason FROM first_silences;
DROP TABLE first_alerts;
DROP TABLE first_silences;`

/** The file of an {@link AlertBook}; of an earlier version it is made a present one. */
export function openAlertBook(path: string): Database.Database {
  const db = new Database(path)
  db.pragma('journal_mode = WAL')
  // Alerts come by the hundred: what is said of them outlives the process and its kill, and what has to outlive a power cut is written durably.
  db.pragma('synchronous = NORMAL')
  const columns = db.pragma('table_info(alerts)') as { name: string }[]
  const isFirst = columns.some(({ name }) => name === 'ack_by')
  db.transaction(() => db.exec(isFirst ? FROM_FIRST : SCHEMA))()
  return db
}

/** A transaction that outlives a power cut, with all that was written before it: for what a person said, and said once. */
export function durably<Result>(db: Database.Database, work: () => Result): Result {
  db.pragma('synchronous = FULL')
  try {
    return db.transaction(work)()
  } finally {
    db.pragma('synchronous = NORMAL')
  }
}
