/*
  Zstandard frame, RFC 8878, section 3.1.1
    magic            UINT32LE  0xFD2FB528
    descriptor       UINT8     bits 6–7 content size flag, 5 single segment, 4 unused, 3 reserved, 2 checksum, 0–1 dictionary id flag
    window           UINT8     absent where single segment
    dictionaryId     0, 1, 2 or 4 bytes
    contentSize      0, 1, 2, 4 or 8 bytes
    blocks           UINT24LE header (bit 0 last, bits 1–2 type, 3–23 size), then size bytes (RLE: one)
    checksum         UINT32LE  where flagged
*/
const MAGIC = 0xfd2fb528
const BLOCK_HEADER_BYTES = 3
/** No block becomes more than this (section 3.1.1.2.4). */
const BLOCK_CONTENT_MAX = 128 * 1024
const RLE = 1
const RESERVED = 3

/**
 * How many bytes a zstd frame can become at the most, from its headers alone; or, as text, why it is not exactly one frame. A declared size that
 * lies makes the decoder fail, so the smaller of the two bounds holds.
 */
export function zstdBound(bytes: Buffer): number | string {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== MAGIC) return 'it does not begin as one'
  const descriptor = bytes[4] ?? 0
  const single = (descriptor & 0x20) !== 0
  if (descriptor & 0x08) return 'a reserved bit is set'
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 2 ** sizeFlag
  const sizeAt = 5 + (single ? 0 : 1) + dictionaryBytes
  if (dictionaryBytes > 0) return 'it needs a dictionary'
  if (sizeAt + sizeBytes > bytes.length) return 'its header is cut off'
  const declared = contentSize(bytes, sizeAt, sizeBytes)
  let at = sizeAt + sizeBytes
  let blocks = 0
  for (let last = false; !last; blocks++) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return 'a block is cut off'
    const header = bytes.readUIntLE(at, BLOCK_HEADER_BYTES)
    const type = (header >> 1) & 3
    if (type === RESERVED) return 'a block is of a reserved type'
    last = (header & 1) === 1
    at += BLOCK_HEADER_BYTES + (type === RLE ? 1 : header >> 3)
  }
  if (descriptor & 0x04) at += 4
  if (at !== bytes.length) return at > bytes.length ? 'it is cut off' : `${bytes.length - at} bytes follow it`
  return Math.min(declared, blocks * BLOCK_CONTENT_MAX)
}

function contentSize(bytes: Buffer, at: number, length: number): number {
  if (length === 0) return Number.POSITIVE_INFINITY
  if (length === 8) return Number(bytes.readBigUInt64LE(at))
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0)
}
