import { AT, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from '../../record/batch-header.ts'
import { crc32c } from '../../record/crc32c.ts'
import { WireWriter } from './wire.ts'

/** A record of the core's own: what is said under a key. */
export interface KeyedRecord {
  readonly key: string
  readonly value: Buffer
}

/** Of no producer: a repeat is stored as any other. */
const NO_PRODUCER = -1

/**
 * A RecordBatch (magic 2, the layout is told at {@link AT}) of records with keys of their own, uncompressed and without headers. What gateways write is one
 * source's, with one key, and comes from {@link BatchWriter}.
 */
export function encodeKeyed(records: readonly KeyedRecord[], timeMs: number): Buffer {
  const out = new WireWriter()
  for (const [index, { key, value }] of records.entries()) {
    const keyBytes = Buffer.from(key)
    // attributes, timestampDelta, offsetDelta, key, value, headerCount; numbers are zigzag, which doubles what is not negative
    const record = new WireWriter()
      .int8(0)
      .varint(0)
      .varint(index * 2)
    record.varint(keyBytes.length * 2).raw(keyBytes)
    record
      .varint(value.length * 2)
      .raw(value)
      .varint(0)
    const pieces = record.done()
    out.varint(pieces.reduce((sum, piece) => sum + piece.length, 0) * 2)
    for (const piece of pieces) out.raw(piece)
  }
  const body = out.done()
  const header = Buffer.alloc(BATCH_HEADER_BYTES)
  header.writeInt32BE(-1, AT.partitionLeaderEpoch)
  header[AT.magic] = 2
  header.writeInt32BE(records.length - 1, AT.lastOffsetDelta)
  header.writeBigInt64BE(BigInt(timeMs), AT.baseTimestamp)
  header.writeBigInt64BE(BigInt(timeMs), AT.maxTimestamp)
  header.writeBigInt64BE(BigInt(NO_PRODUCER), AT.producerId)
  header.writeInt16BE(NO_PRODUCER, AT.producerEpoch)
  header.writeInt32BE(NO_PRODUCER, AT.baseSequence)
  header.writeInt32BE(records.length, AT.recordCount)
  const bytes = Buffer.concat([header, ...body])
  bytes.writeInt32BE(bytes.length - BATCH_PREFIX_BYTES, AT.batchLength)
  bytes.writeUInt32BE(crc32c(bytes.subarray(AT.attributes)), AT.crc)
  return bytes
}
