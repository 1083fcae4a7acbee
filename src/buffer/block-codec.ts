import { readHeaders, visitRecords } from '../record/batch-reader.ts'
import { decompress } from '../record/compression.ts'
import { crc32c } from '../record/crc32c.ts'
import { CODEC, HEADER, type RecordHeader } from '../record/record.ts'
import type { ZstdPacker } from '../record/zstd-packer.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { memoryFor, ownMemoryOf } from '../runtime/give-back.ts'

/*
  Block: records of one source that have no numbers yet
    crc           UINT32   CRC-32C of everything after it
    codec         UINT8    0 none, 4 zstd (as in a RecordBatch)
    baseTime      INT64    ms
    reserved      3 bytes  0
    magic         UINT8    98, at the place where a RecordBatch has its own, which is 2
    entries       compressed as one where a codec is set
  Entry
    timeDelta     VARINT   zigzag, to baseTime
    valueLength   VARINT   (bytes << 1) | 1 where headers follow the value
    value         BYTES
    headerCount   VARINT
    headers       (keyLength VARINT, key, valueLength VARINT, value)*
*/
const HEADER_BYTES = 17
const MAGIC_AT = 16
const MAGIC = 98
/** Below this many records zstd costs more than it saves. */
const COMPRESS_RECORDS_MIN = 16
/** What a block's entries may take, decompressed; they are made from far less. */
const ENTRIES_BYTES_MAX = 16 * 2 ** 20
/** For a block of which nothing is known. */
const LIKELY_BYTES = 1024
/** Less is not asked for at once. */
const LEAST_BYTES = 256
const NO_BYTES = Buffer.alloc(0)
/** Two varints of an entry, at the most. */
const ENTRY_OVERHEAD_BYTES_MAX = 20

/** A block while it is filled: no object for each record, one copy of its bytes. */
export class BlockBuilder {
  count = 0
  baseTimeMs = 0
  lastTimeMs = 0
  readonly #likelyBytes: number
  /** Nothing before the first record: most of ten thousand sources fill no block just now. */
  #bytes = NO_BYTES
  #at = HEADER_BYTES

  /** `likelyBytes`: how large it will become, about, so that it is not copied while it grows; nor much larger, since all of it counts until it is written. */
  constructor(likelyBytes = LIKELY_BYTES) {
    this.#likelyBytes = likelyBytes
  }

  get sizeBytes(): number {
    return this.#at
  }

  /** Whether others have something in the memory of this block: it is a small one. */
  get isShared(): boolean {
    return ownMemoryOf(this.#bytes) === undefined
  }

  append(timeMs: number, bytes: Buffer, from: number, to: number, headers: readonly RecordHeader[] | undefined): void {
    const valueBytes = to - from
    const some = headers !== undefined && headers.length > 0
    this.#reserve(valueBytes + ENTRY_OVERHEAD_BYTES_MAX + (some ? headerBytes(headers) : 0))
    if (this.count === 0) this.baseTimeMs = timeMs
    this.lastTimeMs = timeMs
    const delta = timeMs - this.baseTimeMs
    const out = this.#bytes
    let at = writeVarint(out, this.#at, delta >= 0 ? delta * 2 : -delta * 2 - 1)
    at = writeVarint(out, at, valueBytes * 2 + (some ? 1 : 0))
    bytes.copy(out, at, from, to)
    at += valueBytes
    if (some) at = writeHeaders(out, at, headers)
    this.#at = at
    this.count += 1
  }

  /** The block's bytes, not yet compressed; the builder is not used any more. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #reserve(bytes: number): void {
    const wanted = this.#at + bytes
    if (wanted <= this.#bytes.length) return
    const larger = memoryFor(Math.max(wanted, this.#likelyBytes, LEAST_BYTES, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

/** Makes a filled block ready for the disk: base time, compression where it pays, checksum. */
export function sealBlock(plain: Buffer, count: number, baseTimeMs: number, packer: ZstdPacker): Buffer {
  const entries = plain.subarray(HEADER_BYTES)
  const packed = count >= COMPRESS_RECORDS_MIN ? packer.pack(entries) : entries
  const sealed = packed.length < entries.length ? Buffer.concat([plain.subarray(0, HEADER_BYTES), packed]) : plain
  sealed[4] = sealed === plain ? CODEC.none : CODEC.zstd
  sealed.writeBigInt64BE(BigInt(baseTimeMs), 5)
  sealed.fill(0, 13, MAGIC_AT)
  sealed[MAGIC_AT] = MAGIC
  sealed.writeUInt32BE(crc32c(sealed.subarray(4)), 0)
  return sealed
}

/** One record of a block; `headers` is empty for most. */
export type BlockVisitor = (timeMs: number, bytes: Buffer, from: number, to: number, headers: readonly RecordHeader[]) => void

const NO_HEADERS: readonly RecordHeader[] = []

/** Goes through the records of a block, in order; as often as it is called. */
export type Records = (visit: BlockVisitor) => void

/**
 * Calls `visit` for each record of a sealed block, or of a batch that was made in its place. Throws `buffer_corrupt`, or an error of the batch codec,
 * where it is damaged.
 */
export function visitBlock(sealed: Buffer, visit: BlockVisitor): void {
  recordsOf(sealed)(visit)
}

/** The same, for who goes through them more than once: a block is checked and decompressed here, and a batch each time. */
export function recordsOf(sealed: Buffer): Records {
  if (isBatch(sealed)) return visit => visitBatch(sealed, visit)
  if (sealed.length < HEADER_BYTES || crc32c(sealed.subarray(4)) !== sealed.readUInt32BE(0)) {
    throw new HeadraceError('buffer_corrupt', 'a block in the buffer does not have the bytes that were written')
  }
  const baseTimeMs = Number(sealed.readBigInt64BE(5))
  const codec = sealed[4] ?? CODEC.none
  const entries = decompress(codec, sealed.subarray(HEADER_BYTES), ENTRIES_BYTES_MAX)
  return visit => visitEntries(entries, baseTimeMs, visit)
}

/** Whether a row's data is a RecordBatch, encoded with the numbers that its records are likely to get. */
export function isBatch(data: Buffer): boolean {
  return data[MAGIC_AT] === 2
}

/** The records of a batch, without the numbers that it gave them. */
function visitBatch(batch: Buffer, visit: BlockVisitor): void {
  visitRecords(batch, view => {
    const headers = view.headerCount > 1 ? readHeaders(view).filter(header => header.key !== HEADER.seq) : NO_HEADERS
    visit(view.timeMs, view.bytes, view.valueFrom, view.valueTo, headers)
  })
}

/** Calls `visit` for each record of a block that was not sealed yet. */
export function visitPlain(plain: Buffer, baseTimeMs: number, visit: BlockVisitor): void {
  visitEntries(plain.subarray(HEADER_BYTES), baseTimeMs, visit)
}

function visitEntries(entries: Buffer, baseTimeMs: number, visit: BlockVisitor): void {
  const cursor = { at: 0 }
  while (cursor.at < entries.length) {
    const delta = readVarint(entries, cursor)
    const length = readVarint(entries, cursor)
    const from = cursor.at
    const to = from + Math.floor(length / 2)
    cursor.at = to
    const headers = length % 2 === 1 ? readEntryHeaders(entries, cursor) : NO_HEADERS
    visit(baseTimeMs + (delta % 2 === 0 ? delta / 2 : -(delta + 1) / 2), entries, from, to, headers)
  }
}

function writeVarint(into: Buffer, at: number, value: number): number {
  let rest = value
  let to = at
  while (rest > 127) {
    into[to++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  into[to++] = rest
  return to
}

function readVarint(bytes: Buffer, cursor: { at: number }): number {
  let factor = 1
  let value = 0
  for (;;) {
    const byte = bytes[cursor.at++] ?? 0
    value += (byte & 127) * factor
    if (byte < 128) return value
    factor *= 128
  }
}

function headerBytes(headers: readonly RecordHeader[]): number {
  return headers.reduce(
    (sum, { key, value }) => sum + Buffer.byteLength(key) + value.length + ENTRY_OVERHEAD_BYTES_MAX,
    ENTRY_OVERHEAD_BYTES_MAX,
  )
}

function writeHeaders(into: Buffer, start: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(into, start, headers.length)
  for (const { key, value } of headers) {
    at = writeVarint(into, at, Buffer.byteLength(key))
    at += into.write(key, at, 'utf8')
    at = writeVarint(into, at, value.length)
    at += value.copy(into, at)
  }
  return at
}

function readEntryHeaders(bytes: Buffer, cursor: { at: number }): RecordHeader[] {
  const headers: RecordHeader[] = []
  const part = () => {
    const length = readVarint(bytes, cursor)
    cursor.at += length
    return bytes.subarray(cursor.at - length, cursor.at)
  }
  for (let left = readVarint(bytes, cursor); left > 0; left--) headers.push({ key: part().toString('utf8'), value: part() })
  return headers
}
