import { messageOf } from '../runtime/errors.ts'
import { ATTRIBUTE, BATCH_HEADER_BYTES, type BatchHeader, checkBatchCrc, readBatchHeader } from './batch-header.ts'
import { DECOMPRESSED_BYTES_MAX } from './batch-reader.ts'
import { BASE_SEQUENCE_MODULUS, CODEC } from './record.ts'
import { zstdBound } from './zstd-frame.ts'

/** What a batch has to be, from its message and its source's claim. */
export interface ExpectedBatch {
  readonly sequence: number
  readonly count: number
  readonly producerId: number
  readonly epoch: number
  readonly epochStart: number
}

export type CheckReason =
  | 'truncated'
  | 'malformed'
  | 'crc'
  | 'too_large'
  | 'unsupported'
  | 'not_this_producer'
  | 'not_this_sequence'

export type Checked =
  | { readonly ok: true; readonly header: BatchHeader }
  | { readonly ok: false; readonly reason: CheckReason; readonly detail: string }

/** Below Kafka's default `max.message.bytes` (1,048,588), with room for what a broker adds. */
export const BATCH_BYTES_MAX = 1_000_000
/** A record takes at least seven bytes: what claims more records than that has not got them. */
const RECORD_BYTES_MIN = 7
/** A batch may claim to grow this many times; telemetry grows ten times, a bomb of 65 kB a hundred thousand times. */
const RATIO_MAX = 1_000
const KNOWN_ATTRIBUTES = ATTRIBUTE.codecMask

/**
 * Everything that can be known of a batch without decompressing it: what an ingress passes to a broker untouched is exactly what was checked here.
 * Looks at no record.
 */
export function checkIncomingBatch(bytes: Buffer, expected: ExpectedBatch): Checked {
  if (bytes.length > BATCH_BYTES_MAX)
    return no('too_large', `the batch has ${bytes.length} bytes, ${BATCH_BYTES_MAX} are allowed`)
  if (bytes.length < BATCH_HEADER_BYTES)
    return no('truncated', `the message has ${bytes.length} bytes, a batch at least ${BATCH_HEADER_BYTES}`)
  let header: BatchHeader
  try {
    header = readBatchHeader(bytes)
  } catch (error) {
    return no('malformed', messageOf(error))
  }
  if (header.sizeBytes !== bytes.length) return no('malformed', `${bytes.length - header.sizeBytes} bytes follow the batch`)
  try {
    checkBatchCrc(bytes, header)
  } catch (error) {
    return no('crc', messageOf(error))
  }
  return fieldsOf(header, expected) ?? sizeOf(bytes, header) ?? { ok: true, header }
}

function fieldsOf(header: BatchHeader, expected: ExpectedBatch): Checked | undefined {
  if (header.attributes & ~KNOWN_ATTRIBUTES)
    return no('unsupported', `its attributes are ${header.attributes}: only a codec may be set`)
  if (header.baseOffset !== 0) return no('malformed', `its base offset is ${header.baseOffset}, not 0`)
  if (header.count < 1 || header.lastOffsetDelta !== header.count - 1) {
    return no('malformed', `it has ${header.count} records and a last offset delta of ${header.lastOffsetDelta}`)
  }
  if (header.count !== expected.count)
    return no('not_this_sequence', `it has ${header.count} records, its message says ${expected.count}`)
  if (header.maxTimestampMs < header.baseTimestampMs) return no('malformed', 'its latest time lies before its first')
  if (header.producerId !== expected.producerId || header.producerEpoch !== expected.epoch) {
    const found = `producer ${header.producerId} epoch ${header.producerEpoch}`
    return no(
      'not_this_producer',
      `it is of ${found}, the source writes as producer ${expected.producerId} epoch ${expected.epoch}`,
    )
  }
  const { sequence, epochStart } = expected
  if (!Number.isSafeInteger(sequence) || sequence < epochStart)
    return no('not_this_sequence', `${sequence} lies before the epoch, which begins at ${epochStart}`)
  const baseSequence = (sequence - epochStart) % BASE_SEQUENCE_MODULUS
  if (header.baseSequence !== baseSequence)
    return no('not_this_sequence', `its base sequence is ${header.baseSequence}, that of ${sequence} is ${baseSequence}`)
  return undefined
}

function sizeOf(bytes: Buffer, header: BatchHeader): Checked | undefined {
  const records = bytes.subarray(BATCH_HEADER_BYTES)
  const codec = header.attributes & ATTRIBUTE.codecMask
  let bound = records.length
  if (codec === CODEC.zstd) {
    const frame = zstdBound(records)
    if (typeof frame === 'string') return no('malformed', `its records are not one zstd frame: ${frame}`)
    bound = frame
  } else if (codec !== CODEC.none) return no('unsupported', `it is compressed with codec ${codec}; none and zstd are taken`)
  if (bound > DECOMPRESSED_BYTES_MAX || bound > Math.max(records.length, 1_024) * RATIO_MAX) {
    return no('too_large', `its ${records.length} bytes become up to ${bound}`)
  }
  if (header.count * RECORD_BYTES_MIN > bound) return no('malformed', `${header.count} records cannot be in ${bound} bytes`)
  return undefined
}

function no(reason: CheckReason, detail: string): Checked {
  return { ok: false, reason, detail }
}
