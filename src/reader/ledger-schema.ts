/** Each entry brings a file from the version before it to its own; `user_version` says which it has. What was released is never changed. */
export const LEDGER_VERSIONS: readonly string[] = [
  `
  CREATE TABLE offsets (job TEXT NOT NULL, source TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (job, source)) WITHOUT ROWID, STRICT;
  CREATE TABLE runs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, ranges TEXT NOT NULL, started INTEGER NOT NULL,
    ended INTEGER, exit_code INTEGER, records INTEGER NOT NULL DEFAULT 0, placeholders INTEGER NOT NULL DEFAULT 0, error TEXT
  ) STRICT;
  CREATE INDEX runs_by_job ON runs (job, number);
  CREATE TABLE schedules (job TEXT PRIMARY KEY, decided_until INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE checkpoints (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE outbox (number INTEGER PRIMARY KEY, alert TEXT NOT NULL, sink TEXT NOT NULL) STRICT;
  `,
  `
  ALTER TABLE runs ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
  CREATE TABLE dues (job TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (job, due)) WITHOUT ROWID, STRICT;
  CREATE TABLE poison (
    job TEXT NOT NULL, source TEXT NOT NULL, sequence INTEGER NOT NULL, run TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (job, source, sequence)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE losses (
    number INTEGER PRIMARY KEY, job TEXT NOT NULL, source TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL, accepted INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE retention_marks (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, seen INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition, seen)
  ) WITHOUT ROWID, STRICT;
  `,
  // Analysers keep their state in the log.
  'DROP TABLE checkpoints; DROP TABLE outbox;',
]
