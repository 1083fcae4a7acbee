/*
  What the generator gives, from the seed and the record's number alone: so that a checker knows every record without having seen it.
*/

/** Mixes two numbers into 32 bits (the finaliser of MurmurHash3). */
export function mix(seed: number, number: number): number {
  let hash = (seed ^ Math.imul(number, 0x9e3779b1)) >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export type PayloadKind = 'meter' | 'random'

/** Writes record `number` and returns where it ends; at most {@link PAYLOAD_BYTES_MAX} bytes beside what `random` asks for. */
export function writePayload(kind: PayloadKind, seed: number, number: number, bytes: number, into: Buffer, at: number): number {
  return kind === 'meter' ? writeMeter(seed, number, into, at) : writeRandom(seed, number, bytes, into, at)
}

export const PAYLOAD_BYTES_MAX = 160

/** A meter's reading as JSON, about a hundred bytes. */
function writeMeter(seed: number, number: number, into: Buffer, at: number): number {
  const a = mix(seed, number)
  const b = mix(seed + 1, number)
  const text = `{"n":${number},"temp_c":${20 + (a % 5_000) / 1_000},"rpm":${1_000 + (b % 900)},"power_w":${(a >>> 8) % 100_000},"state":"running","id":${b}}`
  return at + into.write(text, at, 'latin1')
}

/** The number in decimal, then bytes that do not compress. */
function writeRandom(seed: number, number: number, bytes: number, into: Buffer, at: number): number {
  let to = at + into.write(`${number}:`, at, 'latin1')
  for (let word = 0; to < at + bytes; word++) {
    const value = mix(seed + word, number)
    for (let shift = 0; shift < 32 && to < at + bytes; shift += 8) into[to++] = (value >>> shift) & 255
  }
  return to
}

/** Seed of one source, so that no two give the same records. */
export function seedOf(seed: number, source: string): number {
  let hash = seed >>> 0
  for (const letter of source) hash = mix(hash, letter.charCodeAt(0))
  return hash
}
