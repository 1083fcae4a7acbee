/** Bytes up to which they share their memory with others: to make, move and give back memory of their own costs more than to copy them. */
const SHARED_BYTES_MAX = 2_048

/** Memory for so many bytes, with whatever lay there: its own where they are many, and can be moved or given back. */
export function memoryFor(bytes: number): Buffer<ArrayBuffer> {
  return bytes <= SHARED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes)
}

/**
 * Gives the memory of bytes that nobody needs any more back at once; they are empty from then on. Memory outside of V8's heap counts towards its next
 * collection: what comes and goes by the megabyte would have the whole heap looked through every few megabytes. Of bytes that share their memory nothing is given back.
 */
export function giveBack(bytes: Uint8Array): void {
  ownMemoryOf(bytes)?.transfer(0)
}

/** The memory of bytes that have it for themselves: it can be given back, or moved to another thread. Undefined where others may lie in it. */
export function ownMemoryOf({ buffer, byteLength }: Uint8Array): ArrayBuffer | undefined {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : undefined
}
