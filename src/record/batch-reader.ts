import { HeadraceError } from '../runtime/errors.ts'
import { ATTRIBUTE, BATCH_HEADER_BYTES, type BatchHeader, checkBatchCrc, readBatchHeader } from './batch-header.ts'
import { decompress } from './compression.ts'
import type { RecordHeader, StoredRecord } from './record.ts'

/** How large a batch's records may become when they are decompressed, where nobody says otherwise. */
export const DECOMPRESSED_BYTES_MAX = 64 * 2 ** 20

/**
 * Where one record's parts lie in its batch's (decompressed) bytes. The same object is filled anew for every record: whoever
 * keeps something of it copies it.
 */
export interface RecordView {
  sequence: number
  timeMs: number
  bytes: Buffer
  /** −1 and −1 where there is no key. */
  keyFrom: number
  keyTo: number
  /** −1 and −1 where there is no value. */
  valueFrom: number
  valueTo: number
  headerCount: number
  headersFrom: number
  to: number
}

/** Reads varints within bounds; every step is checked, so that no input can run past the end. */
class Cursor {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** A zigzag VARINT or VARLONG. */
  varint(): number {
    let byte = this.#byte()
    let value = byte & 127
    let shift = 7
    while (byte & 128) {
      byte = this.#byte()
      // Past 28 bits only multiplication holds what a VARLONG can.
      if (shift < 28) value |= (byte & 127) << shift
      else value += (byte & 127) * 2 ** shift
      shift += 7
      if (shift > 63) throw malformed('a number has more than nine bytes')
    }
    if (!Number.isSafeInteger(value)) throw malformed('a number is out of range')
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  #byte(): number {
    const byte = this.bytes[this.at]
    if (byte === undefined) throw malformed('the records end in the middle of a number')
    this.at += 1
    return byte
  }
}

function malformed(what: string): HeadraceError {
  return new HeadraceError('batch_malformed', `the batch is malformed: ${what}`)
}

/**
 * Calls `visit` for each record of a batch, in order. Checks header, CRC and every length first or on the way.
 * Throws `batch_truncated`, `batch_malformed`, `batch_crc`, `batch_too_large` or `batch_unsupported`; never reads or allocates past a bound.
 */
export function visitRecords(
  bytes: Buffer,
  visit: (record: RecordView) => void,
  limits: { decompressedBytesMax?: number; checkCrc?: boolean } = {},
): BatchHeader {
  const header = readBatchHeader(bytes)
  if (limits.checkCrc !== false) checkBatchCrc(bytes, header)
  if (header.count < 0 || header.lastOffsetDelta !== header.count - 1) {
    throw malformed(`it has ${header.count} records and a last offset delta of ${header.lastOffsetDelta}`)
  }
  const records = decompress(
    header.attributes & ATTRIBUTE.codecMask,
    bytes.subarray(BATCH_HEADER_BYTES, header.sizeBytes),
    limits.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX,
  )
  const view: RecordView = {
    sequence: 0,
    timeMs: 0,
    bytes: records,
    keyFrom: -1,
    keyTo: -1,
    valueFrom: -1,
    valueTo: -1,
    headerCount: 0,
    headersFrom: 0,
    to: 0,
  }
  const cursor = new Cursor(records)
  for (let index = 0; index < header.count; index++) {
    readRecord(cursor, header, index, view)
    visit(view)
  }
  if (cursor.at !== records.length) throw malformed(`${records.length - cursor.at} bytes follow the last record`)
  return header
}

/** Length of a key or value; −1 where there is none. What runs past its record is refused. */
function partLength(cursor: Cursor, to: number, what: string): number {
  const length = cursor.varint()
  if (length < -1 || cursor.at + length > to) throw malformed(`a ${what} gives itself ${length} bytes`)
  return length
}

function readRecord(cursor: Cursor, header: BatchHeader, index: number, view: RecordView): void {
  const length = cursor.varint()
  const to = cursor.at + length
  if (length < 6 || to > cursor.bytes.length) throw malformed(`a record gives itself ${length} bytes`)
  cursor.at += 1
  view.timeMs = header.baseTimestampMs + cursor.varint()
  const offsetDelta = cursor.varint()
  if (offsetDelta !== index) throw malformed(`record ${index} says that it is ${offsetDelta}`)
  view.sequence = header.baseOffset + offsetDelta
  const keyBytes = partLength(cursor, to, 'key')
  view.keyFrom = keyBytes < 0 ? -1 : cursor.at
  view.keyTo = keyBytes < 0 ? -1 : cursor.at + keyBytes
  if (keyBytes > 0) cursor.at += keyBytes
  const valueBytes = partLength(cursor, to, 'value')
  view.valueFrom = valueBytes < 0 ? -1 : cursor.at
  view.valueTo = valueBytes < 0 ? -1 : cursor.at + valueBytes
  if (valueBytes > 0) cursor.at += valueBytes
  const headerCount = cursor.varint()
  // A header takes at least two bytes: what says it has more of them lies.
  if (headerCount < 0 || headerCount * 2 > to - cursor.at) throw malformed(`a record gives itself ${headerCount} headers`)
  view.headerCount = headerCount
  view.headersFrom = cursor.at
  view.to = to
  cursor.at = to
}

/** The headers of the record that `view` shows now. */
export function readHeaders(view: RecordView): RecordHeader[] {
  const cursor = new Cursor(view.bytes)
  cursor.at = view.headersFrom
  const headers: RecordHeader[] = []
  for (let index = 0; index < view.headerCount; index++) {
    const key = readBytes(cursor, view.to)
    const value = readBytes(cursor, view.to)
    if (key === null) throw malformed('a header has no name')
    headers.push({ key: key.toString('utf8'), value: value ?? Buffer.alloc(0) })
  }
  if (cursor.at !== view.to) throw malformed('a record is longer than its parts')
  return headers
}

function readBytes(cursor: Cursor, end: number): Buffer | null {
  const length = cursor.varint()
  if (length < 0) return null
  const from = cursor.at
  if (from + length > end) throw malformed('a header runs past its record')
  cursor.at = from + length
  return cursor.bytes.subarray(from, from + length)
}

/** Every record of a batch, copied out. For tests, tools and small batches; {@link visitRecords} is what a reader uses. */
export function decodeBatch(bytes: Buffer, limits: { decompressedBytesMax?: number } = {}): StoredRecord[] {
  const records: StoredRecord[] = []
  visitRecords(
    bytes,
    view => {
      records.push({
        sequence: view.sequence,
        timeMs: view.timeMs,
        key: view.keyFrom < 0 ? null : view.bytes.toString('utf8', view.keyFrom, view.keyTo),
        value: view.valueFrom < 0 ? null : Buffer.from(view.bytes.subarray(view.valueFrom, view.valueTo)),
        headers: readHeaders(view),
      })
    },
    limits,
  )
  return records
}
