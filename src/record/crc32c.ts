import { crc32c as native } from '@node-rs/crc32'

/** CRC-32C (Castagnoli), the checksum of a RecordBatch, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  return native(bytes as Buffer) >>> 0
}
