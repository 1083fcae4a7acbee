/** Kept in the file's `user_version`; a file of a newer one is refused. */
export const SCHEMA_VERSION = 3
/** SQLite's own, unless told otherwise. */
export const PAGE_BYTES = 4_096
/** Part of a file that stays free: pages are freed by rows, and filled by bytes. */
const FREE_PART = 0.05
/** So much stays free at the least, bytes: a batch is larger than the blocks that it is made of, by a key and a number for each record. */
const FREE_BYTES_MIN = 128 * 1024

/** What has to stay free of a file of so many bytes. */
export function freeOf(bytes: number): number {
  return Math.max(bytes * FREE_PART, FREE_BYTES_MIN)
}

/**
 * block: in the order of writing, without a second index: each index costs about half again of the flash. `first` is NULL while the block is uncut
 * (its data is a block of block-codec.ts); in a cut one it is the sequence of its first record, and the data is a RecordBatch. `time_ms` is
 * the event time of the last record. Where `place` is set, `data` is empty, and so many bytes (`length`) lie in the file of blocks, at that place (place.ts). `crc` is the
 * checksum that a batch and a block carry themselves: it binds the row to them, whatever else comes to lie there.
 *
 * bookmark: where a source that can be asked again goes on reading, in its own words; written with the records that it was read with.
 *
 * sum: of all other columns of the row, see row-sum.ts; null where a version wrote it that kept none.
 *
 * source: what cannot be told from the blocks. `next` and `settled` are brought up to date when blocks go, and now and then.
 */
export const SCHEMA = `
  CREATE TABLE block (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, first INTEGER, count INTEGER NOT NULL, time_ms INTEGER NOT NULL, data BLOB NOT NULL, length INTEGER, crc INTEGER, place TEXT, sum INTEGER) STRICT;
  CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, next INTEGER NOT NULL, settled INTEGER NOT NULL,
    assignment TEXT, frozen TEXT, head_gap TEXT, tail_gap TEXT, sum INTEGER
  ) STRICT;
  CREATE TABLE bookmark (source INTEGER PRIMARY KEY, token TEXT NOT NULL, sum INTEGER) STRICT;
`

/** What brings a file of an older version up to the next one, by the version that it has. */
export const MIGRATIONS: Readonly<Record<number, string>> = {
  1: 'CREATE TABLE bookmark (source INTEGER PRIMARY KEY, token TEXT NOT NULL) STRICT',
  2: [
    'ALTER TABLE block ADD COLUMN length INTEGER',
    'ALTER TABLE block ADD COLUMN crc INTEGER',
    'ALTER TABLE block ADD COLUMN place TEXT',
    'ALTER TABLE block ADD COLUMN sum INTEGER',
    'ALTER TABLE source ADD COLUMN sum INTEGER',
    'ALTER TABLE bookmark ADD COLUMN sum INTEGER',
  ].join(';'),
}
