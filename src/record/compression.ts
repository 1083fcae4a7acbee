import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { HeadraceError } from '../runtime/errors.ts'
import { CODEC, type CodecName } from './record.ts'
import { zstdBound } from './zstd-frame.ts'

/**
 * Level 1 of both: telemetry shrinks nearly as far as at 3, at half the time. And with a table of a thousand places where zstd takes eight: what repeats itself in a
 * device's records did so in the last few, and what is near is said in fewer bits. See docs/decisions/0171.
 */
export const ZSTD_PARAMS = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_hashLog]: 10,
  [constants.ZSTD_c_minMatch]: 6,
}
const GZIP_OPTIONS = { level: 1 }
/** What is packed gets memory of about its size: with zlib's own pieces of 16 KiB, a gateway that packs a few kilobytes at a time litters ten times as much. */
const SMALL_CHUNK_BYTES_MIN = 1_024
/** zlib's own, for what does not say what it becomes. */
const CHUNK_BYTES_MIN = 16 * 1024
/** A frame that says that it becomes more may lie: it gets this much at a time. */
const CHUNK_BYTES_MAX = 4 * 2 ** 20

export function compress(codec: CodecName, bytes: Buffer): Buffer {
  if (codec === 'none') return bytes
  return codec === 'zstd'
    ? zstdCompressSync(bytes, { params: ZSTD_PARAMS, chunkSize: packedChunkFor(bytes) })
    : gzipSync(bytes, GZIP_OPTIONS)
}

/** Half of it is more than most of it becomes; what becomes more gets a second piece. */
function packedChunkFor(bytes: Buffer): number {
  return Math.min(Math.max(bytes.length >> 1, SMALL_CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
}

/** Decompresses at most `maxBytes`: what wants to become more is refused before it has grown. */
export function decompress(codec: number, bytes: Buffer, maxBytes: number): Buffer {
  try {
    if (codec === CODEC.none) {
      if (bytes.length > maxBytes) throw new RangeError(`${bytes.length} bytes`)
      return bytes
    }
    if (codec === CODEC.zstd) return zstdDecompressSync(bytes, { maxOutputLength: maxBytes, chunkSize: chunkFor(bytes) })
    if (codec === CODEC.gzip) return gunzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new HeadraceError('batch_too_large', `the batch's records take more than ${maxBytes} bytes decompressed`, { cause })
    }
    throw new HeadraceError('batch_malformed', "the batch's records cannot be decompressed", { cause })
  }
  throw new HeadraceError('batch_unsupported', `the batch is compressed with codec ${codec}; none, gzip and zstd are known`)
}

/** Memory for all that a frame can become, in one piece: unless told, zlib takes pieces of 16 KiB and puts them together. */
function chunkFor(bytes: Buffer): number {
  const bound = zstdBound(bytes)
  // One byte more than is needed says without another call that it was all.
  return typeof bound === 'number' ? Math.min(Math.max(bound + 1, SMALL_CHUNK_BYTES_MIN), CHUNK_BYTES_MAX) : CHUNK_BYTES_MIN
}
