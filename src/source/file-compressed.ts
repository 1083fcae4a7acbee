import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { constants, createGunzip, gunzipSync } from 'node:zlib'

/** So much of a compressed file is enough for its first bytes; it becomes four megabytes at most. */
const HEAD_COMPRESSED_BYTES = 4 * 1024

/** Whether a file was compressed by gzip after it was put away, as `logrotate` does unless it is told otherwise. */
export function isCompressed(path: string): boolean {
  return path.endsWith('.gz')
}

/** What errors of {@link contentOf} have in common that come from the file's content, and not from the disk. */
export function isDamage(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

/** The first bytes of what was compressed; fewer where there are fewer, none where it is no such file. */
export async function headOfCompressed(handle: FileHandle, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_COMPRESSED_BYTES), 0, HEAD_COMPRESSED_BYTES, 0)
  try {
    // The beginning of it is no error: what there is comes out.
    return gunzipSync(buffer.subarray(0, bytesRead), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, bytes)
  } catch (error) {
    if (isDamage(error)) return Buffer.alloc(0)
    throw error
  }
}

/** What was compressed, part by part; the file stays open. Throws {@link isDamage} where it ends early or is broken: what came before is right. */
export function contentOf(handle: FileHandle): AsyncIterable<Buffer> {
  // Who iterates is told of errors by the last stream.
  return pipeline(handle.createReadStream({ start: 0, autoClose: false }), createGunzip(), () => {})
}
