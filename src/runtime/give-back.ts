/**
 * Gives the memory of bytes that nobody needs any more back at once; they are empty from then on. Memory outside of V8's heap counts towards its next
 * collection: what comes and goes by the megabyte would have the whole heap looked through every few megabytes. Of bytes that share their memory nothing is given back.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0)
}
