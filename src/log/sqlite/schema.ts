/** Kept in the file's `user_version`; a file of a newer one is refused. */
export const SCHEMA_VERSION = 1

/**
 * claims: the registry; the newest of a source stands. partitions: bounds of each, moved in the transaction that appends or trims.
 * batches: by the offset of their last record, so that the batch which holds an offset is the first at or above it.
 */
export const SCHEMA = `
  CREATE TABLE meta (uuid TEXT NOT NULL) STRICT;
  CREATE TABLE claims (
    at INTEGER PRIMARY KEY, gateway TEXT NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    producer INTEGER NOT NULL, epoch INTEGER NOT NULL, epoch_start INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX claims_by_source ON claims (gateway, source);
  CREATE INDEX claims_by_place ON claims (topic, partition);
  CREATE TABLE partitions (
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
    UNIQUE (topic, partition)
  ) STRICT;
  CREATE TABLE batches (
    partition INTEGER NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, max_time INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (partition, last)
  ) STRICT;
  CREATE TABLE offsets (
    name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (name, topic, partition)
  ) WITHOUT ROWID, STRICT;
`

/**
 * What is said of sources that have a claim, made where it is missing: versions that do not know it leave it alone, so that the way back to one of them
 * stays open. `retired_claim`: the claim that was retired; a newer one of the source is not.
 */
export const NOTES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS notes (
    gateway TEXT NOT NULL, source TEXT NOT NULL, fields TEXT, retired_ms INTEGER, retired_claim INTEGER, PRIMARY KEY (gateway, source)
  ) WITHOUT ROWID, STRICT;
`

/** A partition, as it is looked up by its place. */
export interface PartitionRow {
  readonly number: number
  readonly first: number
  readonly next: number
}

/** A batch: offsets of its first and its last record. */
export interface BatchRow {
  readonly first: number
  readonly last: number
  readonly data: Buffer
}
