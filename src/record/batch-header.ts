import { HeadraceError } from '../runtime/errors.ts'
import { crc32c } from './crc32c.ts'

/*
  RecordBatch (magic 2), Kafka protocol guide, "Record Batch"
    at  0  baseOffset            INT64     the log's own; 0 when a batch is handed in
    at  8  batchLength           INT32     bytes after this field
    at 12  partitionLeaderEpoch  INT32     the log's own; −1 when handed in; not covered by the CRC
    at 16  magic                 INT8      2
    at 17  crc                   UINT32    CRC-32C of everything after it
    at 21  attributes            INT16     bits 0–2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
    at 23  lastOffsetDelta       INT32     records − 1
    at 27  baseTimestamp         INT64
    at 35  maxTimestamp          INT64
    at 43  producerId            INT64
    at 51  producerEpoch         INT16
    at 53  baseSequence          INT32
    at 57  recordCount           INT32
    at 61  records               Record[], compressed as one where a codec is set
*/
export const BATCH_HEADER_BYTES = 61
/** Bytes before what `batchLength` counts. */
export const BATCH_PREFIX_BYTES = 12

export const AT = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const

export const ATTRIBUTE = { codecMask: 0x07, timestampType: 0x08, transactional: 0x10, control: 0x20 } as const

export interface BatchHeader {
  readonly baseOffset: number
  /** Bytes of the whole batch, prefix included. */
  readonly sizeBytes: number
  readonly crc: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly count: number
}

/** An INT64 as a number; what no number can hold exactly is refused. */
function int64(bytes: Buffer, at: number, name: string): number {
  const value = bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw new HeadraceError('batch_malformed', `the batch's ${name} is out of range`)
  return value
}

/**
 * The header of the batch that starts at `at`. Checks its shape (length, magic, counts), not its CRC.
 * Throws `batch_truncated` where `bytes` end before the batch does, `batch_malformed` or `batch_unsupported` otherwise.
 */
export function readBatchHeader(bytes: Buffer, at = 0): BatchHeader {
  if (bytes.length - at < BATCH_HEADER_BYTES) {
    throw new HeadraceError('batch_truncated', `${bytes.length - at} bytes are left, a batch's header has ${BATCH_HEADER_BYTES}`)
  }
  const magic = bytes.readInt8(at + AT.magic)
  if (magic !== 2) throw new HeadraceError('batch_unsupported', `the batch has magic ${magic}, only 2 is known`)
  const sizeBytes = bytes.readInt32BE(at + AT.batchLength) + BATCH_PREFIX_BYTES
  if (sizeBytes < BATCH_HEADER_BYTES) throw new HeadraceError('batch_malformed', `the batch gives itself ${sizeBytes} bytes`)
  if (sizeBytes > bytes.length - at) {
    throw new HeadraceError('batch_truncated', `the batch has ${sizeBytes} bytes, ${bytes.length - at} are there`)
  }
  return {
    baseOffset: int64(bytes, at + AT.baseOffset, 'base offset'),
    sizeBytes,
    crc: bytes.readUInt32BE(at + AT.crc),
    attributes: bytes.readInt16BE(at + AT.attributes),
    lastOffsetDelta: bytes.readInt32BE(at + AT.lastOffsetDelta),
    baseTimestampMs: int64(bytes, at + AT.baseTimestamp, 'base timestamp'),
    maxTimestampMs: int64(bytes, at + AT.maxTimestamp, 'max timestamp'),
    producerId: int64(bytes, at + AT.producerId, 'producer id'),
    producerEpoch: bytes.readInt16BE(at + AT.producerEpoch),
    baseSequence: bytes.readInt32BE(at + AT.baseSequence),
    count: bytes.readInt32BE(at + AT.recordCount),
  }
}

/** Compares the batch's bytes with the CRC in its header; throws `batch_crc`. */
export function checkBatchCrc(bytes: Buffer, header: BatchHeader, at = 0): void {
  const found = crc32c(bytes.subarray(at + AT.attributes, at + header.sizeBytes))
  if (found !== header.crc) {
    throw new HeadraceError('batch_crc', `the batch's bytes have CRC ${hex(found)}, its header says ${hex(header.crc)}`)
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
