import { HeadraceError } from '../../runtime/errors.ts'

/*
  Primitive types of the Kafka protocol guide, "Protocol Primitive Types". COMPACT_ types and tagged fields belong to flexible versions only.
*/

const FIRST_BYTES = 512
/** Bytes from which on a piece goes out as it lies in memory: below, one more piece costs the system more than the copy. */
const UNCOPIED_BYTES_MIN = 2 * 1024

/** Writes a request's body, in pieces: batches are not copied. */
export class WireWriter {
  readonly #pieces: Buffer[] = []
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  /** Where the piece begins that is written now. */
  #from = 0
  #at = 0

  int8(value: number): this {
    this.#reserve(1)
    this.#at = this.#bytes.writeInt8(value, this.#at)
    return this
  }

  int16(value: number): this {
    this.#reserve(2)
    this.#at = this.#bytes.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#reserve(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  int64(value: number): this {
    this.#reserve(8)
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at)
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).raw(bytes)
  }

  bytes(value: Buffer): this {
    return this.int32(value.length).raw(value)
  }

  array<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  /** UNSIGNED_VARINT. */
  varint(value: number): this {
    let rest = value
    for (; rest > 127; rest >>>= 7) this.int8((((rest & 127) | 128) << 24) >> 24)
    return this.int8(rest)
  }

  compactString(value: string | null): this {
    if (value === null) return this.varint(0)
    const bytes = Buffer.from(value)
    return this.varint(bytes.length + 1).raw(bytes)
  }

  compactArray<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.varint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** No tagged fields. */
  tags(): this {
    return this.varint(0)
  }

  raw(bytes: Buffer): this {
    if (bytes.length >= UNCOPIED_BYTES_MIN) {
      this.#endPiece()
      this.#pieces.push(bytes)
      return this
    }
    this.#reserve(bytes.length)
    this.#at += bytes.copy(this.#bytes, this.#at)
    return this
  }

  /** What was written, one piece after the other. */
  done(): readonly Buffer[] {
    this.#endPiece()
    return this.#pieces
  }

  #endPiece(): void {
    if (this.#at > this.#from) this.#pieces.push(this.#bytes.subarray(this.#from, this.#at))
    this.#from = this.#at
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const begun = this.#at - this.#from
    const larger = Buffer.allocUnsafe(Math.max(begun + bytes, FIRST_BYTES, begun * 2))
    this.#bytes.copy(larger, 0, this.#from, this.#at)
    this.#bytes = larger
    this.#from = 0
    this.#at = begun
  }
}

/** Reads a response's body. Runs past its end only into an error: `log_unavailable`, since another broker may do better. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0
  /** For how long the broker wants nothing more on this connection, ms. */
  throttleMs = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** throttleMs INT32. */
  throttle(): void {
    this.throttleMs = this.int32()
  }

  int8(): number {
    return this.#bytes.readInt8(this.#step(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#step(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#step(4))
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#step(8)))
  }

  string(): string | null {
    return this.#text(this.int16())
  }

  /** NULLABLE_BYTES, as a view of the response. */
  bytes(): Buffer | null {
    const length = this.int32()
    return length < 0 ? null : this.raw(length)
  }

  array<Item>(read: () => Item): Item[] {
    return this.#items(this.int32(), read)
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.int8() & 255
      value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
    throw malformed('a number has more than five bytes')
  }

  compactString(): string | null {
    return this.#text(this.varint() - 1)
  }

  compactArray<Item>(read: () => Item): Item[] {
    return this.#items(this.varint() - 1, read)
  }

  uuid(): string {
    return this.raw(16).toString('base64url')
  }

  tags(): void {
    for (let left = this.varint(); left > 0; left--) {
      this.varint()
      this.raw(this.varint())
    }
  }

  raw(length: number): Buffer {
    const from = this.#step(length)
    return this.#bytes.subarray(from, from + length)
  }

  #text(length: number): string | null {
    return length < 0 ? null : this.raw(length).toString('utf8')
  }

  #items<Item>(count: number, read: () => Item): Item[] {
    const items: Item[] = []
    // An item takes a byte at least: a count that lies ends with the response, not with the memory.
    for (let index = 0; index < count; index++) items.push(read())
    return items
  }

  #step(bytes: number): number {
    const at = this.#at
    if (bytes < 0 || at + bytes > this.#bytes.length) throw malformed('it is cut off')
    this.#at = at + bytes
    return at
  }
}

function malformed(what: string): HeadraceError {
  return new HeadraceError('log_unavailable', `a broker's response cannot be read: ${what}`)
}

/** One kind of request: how it is written, and how its response is read. */
export interface Api<Request, Response> {
  readonly key: number
  readonly version: number
  readonly name: string
  /** The request's body, in pieces that are written one after the other. */
  write(request: Request): readonly Buffer[]
  read(response: WireReader): Response
}
