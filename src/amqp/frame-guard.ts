/** Bytes of a protocol header (AMQP 1.0 part 2, 2.2): "AMQP", protocol id, major, minor, revision. */
const PROTOCOL_HEADER_BYTES = 8
const SIZE_BYTES = 4
/** A frame's own header (part 2, 2.3.1): size, data offset, type, channel. */
const FRAME_BYTES_MIN = 8
/** "AMQP" read as a frame's size: a protocol header begins here, before SASL and again after it. */
const MAGIC = 0x414d5150

/**
 * Reads the sizes of frames as bytes pass, before anything else sees them: rhea keeps what a size announces, however large, and asks for no
 * name first. Looks at no content.
 */
export class FrameGuard {
  readonly #maxFrameBytes: number
  readonly #head = Buffer.alloc(SIZE_BYTES)
  #headBytes = 0
  /** Bytes of the frame or header that are still to come. */
  #left = 0
  #begun = false
  #passed = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Bytes seen so far. */
  get passedBytes(): number {
    return this.#passed
  }

  /** What is wrong with these bytes; undefined where nothing is. */
  check(bytes: Buffer): string | undefined {
    this.#passed += bytes.length
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, bytes.length - at)
        this.#left -= step
        at += step
        continue
      }
      this.#head[this.#headBytes++] = bytes[at++] as number
      if (this.#headBytes < SIZE_BYTES) continue
      this.#headBytes = 0
      const size = this.#head.readUInt32BE(0)
      if (size === MAGIC) this.#left = PROTOCOL_HEADER_BYTES - SIZE_BYTES
      else if (!this.#begun) return 'it does not begin as AMQP does'
      else if (size < FRAME_BYTES_MIN || size > this.#maxFrameBytes)
        return `a frame gives itself ${size} bytes, ${this.#maxFrameBytes} are allowed`
      else this.#left = size - SIZE_BYTES
      this.#begun = true
    }
    return undefined
  }
}
