/** A header of a record, as Kafka knows them: a name and bytes. */
export interface RecordHeader {
  readonly key: string
  readonly value: Buffer
}

/** One reading: bytes, an event time, headers. It belongs to one source and gets its sequence when it is cut into a batch. */
export interface SourceRecord {
  /** Event time, ms since 1970. */
  readonly timeMs: number
  /** The reading's bytes; null only in a placeholder. */
  readonly value: Buffer | null
  /** Beside `seq`, which the codec writes by itself. */
  readonly headers: readonly RecordHeader[]
}

/** A record read back from a batch. `sequence` is also its offset in its partition. */
export interface StoredRecord extends SourceRecord {
  readonly sequence: number
  readonly key: string | null
}

/** Names of the headers that Headrace writes. */
export const HEADER = { seq: 'seq', gap: 'gap', decodeError: 'decode_error', clock: 'clock' } as const

/** What a `gap` header says: records that no number was given to, or numbers whose records are gone. */
export interface Gap {
  readonly records: number
  /** ISO 8601; the span of time in which they were read. */
  readonly from: string
  readonly to: string
  readonly reason: GapReason
}

export const GAP_REASONS = [
  'buffer_full',
  'expired',
  'buffer_lost',
  'core_lost',
  'dead_letter',
  'resumed',
  'source_overrun',
  'too_large',
] as const
export type GapReason = (typeof GAP_REASONS)[number]

/** How a batch's records are compressed: the value is Kafka's codec number in the batch's attributes. */
export const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CodecName = 'none' | 'gzip' | 'zstd'

/** Kafka's 32-bit base sequence starts again after this many records of a producer epoch. */
export const BASE_SEQUENCE_MODULUS = 2 ** 31

/** A batch as it travels: encoded once, on the gateway, and the same bytes from there on. */
export interface EncodedBatch {
  /** 64-bit number of the first record; its offset in the partition. A safe integer: 285 years at a million records a second. */
  readonly sequence: number
  readonly count: number
  /** The whole RecordBatch (magic 2), header included. */
  readonly bytes: Buffer
}
