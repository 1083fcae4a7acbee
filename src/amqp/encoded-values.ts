import { HeadraceError } from '../runtime/errors.ts'

/*
  AMQP 1.0 part 1, 1.2 and 1.3: value = constructor data
    constructor = format code | 0x00 descriptor-value constructor
    format code, high half:  4 no data        5, 6, 7, 8, 9  1, 2, 4, 8, 16 bytes     A, B  size (1, 4 bytes), then so many
                             C, D  size, count (1, 4 bytes), then count values; a map's count is even
                             E, F  size, count (1, 4 bytes), one constructor, then the data of count values
    A size counts what follows it, the count included.
*/
/** Begins a value that has a descriptor. */
export const DESCRIBED = 0x00
const FIXED_BYTES: Readonly<Record<number, number>> = { 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 }
const ZERO_WIDTH = 4
const MAP_LOW_HALF = 1

/** Values in one frame or message beside the body's bytes; what is meant has a few dozen. A value costs a reader far more than its byte. */
export const VALUES_MAX = 4_096
/** How deep values may lie in each other. */
const DEPTH_MAX = 16

/** Sections of a message (part 3, 3.2): header 0x70 to footer 0x78. */
const SECTION = { first: 0x70, last: 0x78 }
/** A ulong of one byte, as descriptors are written. */
export const SMALL_ULONG = 0x53
/** Part 2, 2.3.1: size, data offset in words of four bytes, type, channel. */
const DATA_OFFSET_AT = 4
const WORD_BYTES = 4

function malformed(what: string): HeadraceError {
  return new HeadraceError('protocol_violation', what)
}

/** Throws `protocol_violation` where a peer does what it may not. */
export function assertProtocol(condition: boolean, violation: string): asserts condition {
  if (!condition) throw malformed(violation)
}

/**
 * Walks over encoded values without making anything of them. rhea takes a count for what it says: a list that claims thirty million items, or an
 * array of four thousand million that take no bytes, would cost the memory of the process, whoever sent it.
 */
class Walk {
  readonly #bytes: Buffer
  #at: number
  #values = 0

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  value(to: number, depth = 0): void {
    this.#data(this.#format(to, depth), to, depth)
  }

  #format(to: number, depth: number): number {
    if (depth > DEPTH_MAX) throw malformed(`values lie more than ${DEPTH_MAX} deep in each other`)
    const code = this.#number(1, to)
    if (code !== DESCRIBED) return code
    this.value(to, depth + 1)
    return this.#format(to, depth + 1)
  }

  #data(code: number, to: number, depth: number): void {
    this.#count(1)
    const half = code >> 4
    const fixed = FIXED_BYTES[half]
    if (half === ZERO_WIDTH) return
    if (fixed !== undefined) this.#skip(fixed, to)
    else if (half === 0xa || half === 0xb) this.#skip(this.#number(half === 0xa ? 1 : 4, to), to)
    else if (half >= 0xc) this.#compound(code, to, depth)
    else throw malformed(`0x${code.toString(16)} is no format code`)
  }

  #compound(code: number, outer: number, depth: number): void {
    const half = code >> 4
    const width = half % 2 === 0 ? 1 : 4
    const size = this.#number(width, outer)
    const to = this.#at + size
    if (to > outer) throw malformed(`a value gives itself ${size} bytes, ${outer - this.#at} are left`)
    const count = this.#number(width, to)
    if (half < 0xe) {
      if ((code & 0xf) === MAP_LOW_HALF && count % 2 !== 0) throw malformed('a map has a key without a value')
      // Every value takes a byte: a count that lies ends with the bytes.
      for (let item = 0; item < count; item++) this.value(to, depth + 1)
    } else {
      const item = this.#format(to, depth + 1)
      if (item >> 4 === ZERO_WIDTH) this.#count(count)
      else for (let index = 0; index < count; index++) this.#data(item, to, depth + 1)
    }
    if (this.#at !== to) throw malformed('a value has another size than it gives itself')
  }

  #count(values: number): void {
    this.#values += values
    if (this.#values > VALUES_MAX) throw malformed(`more than ${VALUES_MAX} values`)
  }

  #number(width: number, to: number): number {
    const at = this.#at
    this.#skip(width, to)
    return this.#bytes.readUIntBE(at, width)
  }

  #skip(bytes: number, to: number): void {
    if (this.#at + bytes > to) throw malformed('a value is cut off')
    this.#at += bytes
  }
}

/** Looks at the performative of a whole frame, not at its payload. Throws `protocol_violation`. */
export function checkFrame(frame: Buffer): void {
  const from = (frame[DATA_OFFSET_AT] ?? 0) * WORD_BYTES
  if (from < 2 * WORD_BYTES || from > frame.length) throw malformed(`a frame's data begins at ${from} of ${frame.length} bytes`)
  if (from === frame.length) return
  if (frame[from] !== DESCRIBED) throw malformed('a frame has no performative')
  new Walk(frame, from).value(frame.length)
}

/** Looks at the sections of a whole message: known ones only, one after another. Throws `protocol_violation`. */
export function checkMessage(bytes: Buffer): void {
  const walk = new Walk(bytes, 0)
  while (walk.at < bytes.length) {
    const { at } = walk
    const section = bytes[at + 2] ?? 0
    const known = bytes[at] === DESCRIBED && bytes[at + 1] === SMALL_ULONG && section >= SECTION.first && section <= SECTION.last
    if (!known && !isLongDescriptor(bytes, at)) throw malformed('a message has something else than sections')
    walk.value(bytes.length)
  }
}

/** The same descriptor as a ulong of eight bytes, which nobody needs but anybody may write. */
function isLongDescriptor(bytes: Buffer, at: number): boolean {
  if (bytes.length - at < 10 || bytes[at] !== DESCRIBED || bytes[at + 1] !== 0x80) return false
  const code = bytes.readBigUInt64BE(at + 2)
  return code >= BigInt(SECTION.first) && code <= BigInt(SECTION.last)
}
