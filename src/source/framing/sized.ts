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
  #held: Buffer = Buffer.alloc(0)

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#options = options
    this.#hooks = hooks
    this.#headBytes = options.length_field ? options.length_field.offset + options.length_field.bytes : 0
  }

  push(chunk: Buffer, receivedMs: number): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    let from = 0
    for (;;) {
      const size = this.#sizeAt(bytes, from)
      if (size === undefined) break
      if (size <= 0 || size > this.#options.max_bytes) {
        this.#hooks.onTrouble('a record had an impossible length')
        this.#held = Buffer.alloc(0)
        return
      }
      if (from + size > bytes.length) break
      this.#hooks.onFrame(bytes, from, from + size, receivedMs)
      from += size
    }
    // The chunk's memory is the source's: what is kept is copied.
    this.#held = Buffer.from(bytes.subarray(from))
  }

  interrupted(): void {
    if (this.#held.length > 0) this.#hooks.onTrouble('a record broke off')
    this.#held = Buffer.alloc(0)
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
