import type { Framer, FramerHooks } from './framer.ts'
import { escapedBytes, type FrameOptions } from './options.ts'

/*
  length:        record = exactly `length` bytes
  length_field:  record = `offset` bytes, a number of `bytes` bytes, then number + `adds` bytes
*/

const NONE: Buffer = Buffer.alloc(0)

/**
 * Records whose length is fixed, or stands in a field. After a length that cannot be, the next record's start bytes are looked for; where it has none,
 * everything up to the next pause of the stream is dropped.
 */
export class SizedFramer implements Framer {
  readonly #options: FrameOptions
  readonly #hooks: FramerHooks
  readonly #headBytes: number
  readonly #start: Buffer
  readonly #maxBytes: number
  #held: Buffer = NONE
  #skipping = false

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#options = options
    this.#hooks = hooks
    this.#headBytes = options.length_field ? options.length_field.offset + options.length_field.bytes : 0
    this.#start = escapedBytes(options.length_field?.start ?? '')
    this.#maxBytes = options.length ?? options.max_bytes
  }

  push(chunk: Buffer, receivedMs: number): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    let from = 0
    for (;;) {
      from = this.#skipToStart(bytes, from)
      const size = this.#sizeAt(bytes, from)
      if (size === undefined) break
      if (size <= 0 || size > this.#maxBytes) {
        this.#hooks.onTrouble('a record had an impossible length')
        if (this.#start.length > 0) {
          from += 1
          this.#skipping = true
          continue
        }
        this.#held = NONE
        return
      }
      if (from + size > bytes.length) break
      this.#skipping = false
      this.#hooks.onFrame(bytes, from, from + size, receivedMs)
      from += size
    }
    // The chunk's memory is the source's: what is kept is copied.
    this.#held = from < bytes.length ? Buffer.from(bytes.subarray(from)) : NONE
  }

  interrupted(): void {
    if (this.#held.length > 0) this.#hooks.onTrouble('a record broke off')
    this.#held = NONE
    this.#skipping = false
  }

  /** Where the next record may begin: at its start bytes, or at what may become them. */
  #skipToStart(bytes: Buffer, from: number): number {
    if (this.#start.length === 0) return from
    const found = bytes.indexOf(this.#start, from)
    const at = found >= 0 ? found : this.#startOfStart(bytes, from)
    if (at > from && !this.#skipping) {
      this.#skipping = true
      this.#hooks.onTrouble('bytes outside of a record')
    }
    return at
  }

  /** Where the last bytes may be the beginning of the start; the end where they are not. */
  #startOfStart(bytes: Buffer, from: number): number {
    for (let at = Math.max(from, bytes.length - this.#start.length + 1); at < bytes.length; at++) {
      if (this.#start.subarray(0, bytes.length - at).equals(bytes.subarray(at))) return at
    }
    return bytes.length
  }

  /** The size of the record at `from`; undefined while its length has not come. */
  #sizeAt(bytes: Buffer, from: number): number | undefined {
    const { length, length_field: field } = this.#options
    if (length !== undefined) return length
    if (!field || bytes.length - from < Math.max(this.#headBytes, this.#start.length)) return undefined
    const at = from + field.offset
    const value = field.order === 'big' ? bytes.readUIntBE(at, field.bytes) : bytes.readUIntLE(at, field.bytes)
    return this.#headBytes + value + field.adds
  }
}
