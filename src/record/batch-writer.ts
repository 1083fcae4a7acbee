import { assert } from '../runtime/errors.ts'
import { memoryFor } from '../runtime/give-back.ts'
import { AT, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from './batch-header.ts'
import { compress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { BASE_SEQUENCE_MODULUS, CODEC, type CodecName, type EncodedBatch, HEADER, type RecordHeader } from './record.ts'
import type { ZstdPacker } from './zstd-packer.ts'

/*
  Record, Kafka protocol guide, "Record"
    length          VARINT    bytes after this field
    attributes      INT8      0
    timestampDelta  VARLONG   to the batch's baseTimestamp
    offsetDelta     VARINT    to the batch's baseOffset
    keyLength       VARINT    −1: no key
    key             BYTES
    valueLength     VARINT    −1: no value
    value           BYTES
    headerCount     VARINT
    headers         (keyLength VARINT, key, valueLength VARINT, value)*
  VARINT and VARLONG are zigzag, seven bits a byte, lowest first.
*/

/** Who writes a batch, and from which number on. */
export interface BatchIdentity {
  /** `<gateway>/<source>`; null writes no key. */
  readonly key: string | null
  readonly producerId: number
  readonly epoch: number
  /** The sequence that was first in this producer epoch. */
  readonly epochStart: number
  /** The sequence of the batch's first record. */
  readonly sequence: number
}

/** Kafka's base sequence of a batch: it counts from 0 in each producer epoch, and wraps. */
export function baseSequenceOf({ sequence, epochStart }: BatchIdentity): number {
  return (sequence - epochStart) % BASE_SEQUENCE_MODULUS
}

/** Longest VARLONG, bytes. */
const VARLONG_BYTES_MAX = 10
/** What a record takes beside key, value and headers, at the most: six varints and the attributes. */
const RECORD_OVERHEAD_BYTES_MAX = 6 * VARLONG_BYTES_MAX + 1
const SCRATCH_BYTES_FIRST = 256 * 1024
const DIGITS_MAX = 16
/** headerCount, then `seq` but for its digits: keyLength, three letters, valueLength. */
const SEQ_FIELD_BYTES = 1 + 1 + HEADER.seq.length + 1

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

/** Bytes that an unsigned varint takes. */
function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes += 1
  return bytes
}

function writeVarint(into: Buffer, at: number, value: number): number {
  let rest = value
  let to = at
  // Bit operations hold 32 bits only: event times of 1970 beside today's make longer deltas.
  while (rest > 0x7fffffff) {
    into[to++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  while (rest > 127) {
    into[to++] = (rest & 127) | 128
    rest >>>= 7
  }
  into[to++] = rest
  return to
}

/**
 * Writes batches one after another into memory of its own, which grows to the largest and is used again. Every record gets the batch's
 * key and a `seq` header with its sequence in decimal.
 *
 *   begin(identity) → append(…)* → finish(codec)
 */
export class BatchWriter {
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES_FIRST)
  #at = 0
  #count = 0
  #baseTimeMs = 0
  #maxTimeMs = 0
  #identity: BatchIdentity | undefined
  /** keyLength and key, the same in every record; so many bytes of it. */
  #keyField = Buffer.alloc(VARLONG_BYTES_MAX)
  #keyFieldBytes = 0
  readonly #digits = Buffer.alloc(DIGITS_MAX)
  #digitsFrom = DIGITS_MAX
  readonly #packer: ZstdPacker | undefined

  /** `packer`: for a writer that is busy all day. Others keep no memory for what they do now and then. */
  constructor(packer?: ZstdPacker) {
    this.#packer = packer
  }

  begin(identity: BatchIdentity): void {
    assert(Number.isSafeInteger(identity.sequence) && identity.sequence >= identity.epochStart, 'a batch starts within its epoch')
    if (this.#identity?.key !== identity.key || this.#keyFieldBytes === 0) this.#setKey(identity.key)
    this.#identity = identity
    this.#at = 0
    this.#count = 0
    const digits = String(identity.sequence)
    this.#digitsFrom = DIGITS_MAX - digits.length
    this.#digits.write(digits, this.#digitsFrom, 'latin1')
  }

  /** Records begun but not finished. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the records so far, before compression. */
  get sizeBytes(): number {
    return this.#at
  }

  /** Adds a record whose value is `bytes[from, to)`. `extra` are headers beside `seq`. */
  append(timeMs: number, bytes: Buffer, from: number, to: number, extra?: readonly RecordHeader[]): void {
    const at = this.#beginRecord(timeMs, to - from, extra)
    if (to > from) bytes.copy(this.#scratch, at, from, to)
    this.#endRecord(at + to - from, extra)
  }

  /** Adds a record without a value: a placeholder. */
  appendNull(timeMs: number, extra?: readonly RecordHeader[]): void {
    this.#endRecord(this.#beginRecord(timeMs, -1, extra), extra)
  }

  /** Writes what comes before the value, −1 bytes for none; gives the place of the value. */
  #beginRecord(timeMs: number, valueBytes: number, extra: readonly RecordHeader[] | undefined): number {
    if (this.#count === 0) {
      this.#baseTimeMs = timeMs
      this.#maxTimeMs = timeMs
    } else if (timeMs > this.#maxTimeMs) this.#maxTimeMs = timeMs

    const timeDelta = zigzag(timeMs - this.#baseTimeMs)
    const offsetDelta = this.#count * 2
    const valueLength = zigzag(valueBytes)
    const keyField = this.#keyField
    const keyFieldBytes = this.#keyFieldBytes
    let bodyBytes =
      1 +
      varintBytes(timeDelta) +
      varintBytes(offsetDelta) +
      keyFieldBytes +
      varintBytes(valueLength) +
      Math.max(0, valueBytes) +
      SEQ_FIELD_BYTES +
      (DIGITS_MAX - this.#digitsFrom)
    if (extra && extra.length > 0) bodyBytes += extraHeaderBytes(extra)
    const scratch = this.#reserve(bodyBytes + RECORD_OVERHEAD_BYTES_MAX)

    let at = writeVarint(scratch, this.#at, bodyBytes * 2)
    scratch[at++] = 0
    at = writeVarint(scratch, at, timeDelta)
    at = writeVarint(scratch, at, offsetDelta)
    for (let i = 0; i < keyFieldBytes; i++) scratch[at++] = keyField[i] as number
    return writeVarint(scratch, at, valueLength)
  }

  /** Writes what comes behind the value. */
  #endRecord(from: number, extra: readonly RecordHeader[] | undefined): void {
    const scratch = this.#scratch
    const digits = this.#digits
    const digitsFrom = this.#digitsFrom
    let at = from
    scratch[at++] = (1 + (extra?.length ?? 0)) * 2
    scratch[at++] = 6
    scratch[at++] = 0x73
    scratch[at++] = 0x65
    scratch[at++] = 0x71
    scratch[at++] = (DIGITS_MAX - digitsFrom) * 2
    for (let i = digitsFrom; i < DIGITS_MAX; i++) scratch[at++] = digits[i] as number
    if (extra && extra.length > 0) at = writeExtraHeaders(scratch, at, extra)
    this.#at = at
    this.#count += 1
    this.#countUp()
  }

  /** The batch as it goes on disk, over the link and into the log. */
  finish(codec: CodecName): EncodedBatch {
    const identity = this.#identity
    assert(identity && this.#count > 0, 'a batch has a first record')
    const plain = this.#scratch.subarray(0, this.#at)
    const records = codec === 'zstd' && this.#packer ? this.#packer.pack(plain) : compress(codec, plain)
    const bytes = memoryFor(BATCH_HEADER_BYTES + records.length)
    bytes.fill(0, 0, BATCH_PREFIX_BYTES)
    bytes.writeInt32BE(bytes.length - BATCH_PREFIX_BYTES, AT.batchLength)
    bytes.writeInt32BE(-1, AT.partitionLeaderEpoch)
    bytes[AT.magic] = 2
    bytes.writeInt16BE(CODEC[codec], AT.attributes)
    bytes.writeInt32BE(this.#count - 1, AT.lastOffsetDelta)
    bytes.writeBigInt64BE(BigInt(this.#baseTimeMs), AT.baseTimestamp)
    bytes.writeBigInt64BE(BigInt(this.#maxTimeMs), AT.maxTimestamp)
    bytes.writeBigInt64BE(BigInt(identity.producerId), AT.producerId)
    bytes.writeInt16BE(identity.epoch, AT.producerEpoch)
    bytes.writeInt32BE(baseSequenceOf(identity), AT.baseSequence)
    bytes.writeInt32BE(this.#count, AT.recordCount)
    records.copy(bytes, BATCH_HEADER_BYTES)
    bytes.writeUInt32BE(crc32c(bytes.subarray(AT.attributes)), AT.crc)
    const batch = { sequence: identity.sequence, count: this.#count, bytes }
    this.#count = 0
    this.#at = 0
    return batch
  }

  #setKey(key: string | null): void {
    const bytes = key === null ? 0 : Buffer.byteLength(key)
    if (this.#keyField.length < VARLONG_BYTES_MAX + bytes) this.#keyField = Buffer.alloc(VARLONG_BYTES_MAX + bytes)
    const from = writeVarint(this.#keyField, 0, key === null ? 1 : bytes * 2)
    this.#keyFieldBytes = from + (key === null ? 0 : this.#keyField.write(key, from))
  }

  /** The sequence's decimal digits, one up: cheaper than a number to text for every record. */
  #countUp(): void {
    const digits = this.#digits
    let at = DIGITS_MAX - 1
    while (at >= this.#digitsFrom && digits[at] === 0x39) digits[at--] = 0x30
    if (at >= this.#digitsFrom) digits[at] = (digits[at] as number) + 1
    else {
      this.#digitsFrom -= 1
      digits[this.#digitsFrom] = 0x31
    }
  }

  #reserve(bytes: number): Buffer {
    const wanted = this.#at + bytes
    if (wanted <= this.#scratch.length) return this.#scratch
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.#scratch.length * 2))
    this.#scratch.copy(larger, 0, 0, this.#at)
    this.#scratch = larger
    return larger
  }
}

function extraHeaderBytes(extra: readonly RecordHeader[]): number {
  let bytes = 0
  for (const { key, value } of extra) {
    const keyBytes = Buffer.byteLength(key)
    bytes += varintBytes(keyBytes * 2) + keyBytes + varintBytes(value.length * 2) + value.length
  }
  return bytes
}

function writeExtraHeaders(into: Buffer, start: number, extra: readonly RecordHeader[]): number {
  let at = start
  for (const { key, value } of extra) {
    at = writeVarint(into, at, Buffer.byteLength(key) * 2)
    at += into.write(key, at, 'utf8')
    at = writeVarint(into, at, value.length * 2)
    at += value.copy(into, at)
  }
  return at
}
