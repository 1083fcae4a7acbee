import type { Framer, FramerHooks } from './framer.ts'
import type { FrameOptions } from './options.ts'

/*
  length:        record = exactly `length` bytes
  length_field:  record = `offset` bytes, a number of `bytes` bytes, then number + `adds` bytes
*/

/** Records whose length is fixed, or stands in a field. A length that cannot be is said, and everything up to the next pause of the stream is dropped. */
export class SizedFramer implements Framer {
  readonly #options: FrameOptions
  readonly #hooks: FramerHooks
  readonly #headBytes: number
  /** What has come of a record that has not ended; it grows by doubling, so that a record in many small pieces is not copied with each. */
  #held: Buffer = Buffer.alloc(0)
  #heldBytes = 0

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#options = options
    this.#hooks = hooks
    this.#headBytes = options.length_field ? options.length_field.offset + options.length_field.bytes : 0
  }

  push(chunk: Buffer, receivedMs: number): void {
    if (this.#heldBytes === 0) {
      this.#cut(chunk, receivedMs)
      return
    }
    this.#hold(chunk, 0)
    const size = this.#sizeAt(this.#held.subarray(0, this.#heldBytes), 0)
    if (size === undefined || (size > this.#heldBytes && size <= this.#options.max_bytes)) return
    const held = this.#held.subarray(0, this.#heldBytes)
    this.#forget()
    this.#cut(held, receivedMs)
  }

  interrupted(): void {
    if (this.#heldBytes > 0) this.#hooks.onTrouble('a record broke off')
    this.#forget()
  }

  #cut(bytes: Buffer, receivedMs: number): void {
    let from = 0
    for (;;) {
      const size = this.#sizeAt(bytes, from)
      if (size === undefined) break
      if (size <= 0 || size > this.#options.max_bytes) {
        this.#hooks.onTrouble('a record had an impossible length')
        return
      }
      if (from + size > bytes.length) break
      this.#hooks.onFrame(bytes, from, from + size, receivedMs)
      from += size
    }
    if (from < bytes.length) this.#hold(bytes, from)
  }

  /** The chunk's memory is the source's: what is kept is copied. */
  #hold(bytes: Buffer, from: number): void {
    const wanted = this.#heldBytes + bytes.length - from
    if (wanted > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(wanted, this.#held.length * 2))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes, from)
    this.#heldBytes = wanted
  }

  #forget(): void {
    this.#held = Buffer.alloc(0)
    this.#heldBytes = 0
  }

  /** The size of the record at `from`; undefined while its length has not come. */
  #sizeAt(bytes: Buffer, from: number): number | undefined {
    const { length, length_field: field } = this.#options
    if (length !== undefined) return length
    if (!field || bytes.length - from < this.#headBytes) return undefined
    const at = from + field.offset
    const value = field.order === 'big' ? bytes.readUIntBE(at, field.bytes) : bytes.readUIntLE(at, field.bytes)
    return this.#headBytes + value + field.adds
  }
}
