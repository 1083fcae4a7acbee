import { messageOf } from '../runtime/errors.ts'
import { checkFrame } from './encoded-values.ts'

/** Bytes of a protocol header (AMQP 1.0 part 2, 2.2): "AMQP", protocol id, major, minor, revision. */
const PROTOCOL_HEADER_BYTES = 8
const SIZE_BYTES = 4
/** A frame's own header (part 2, 2.3.1): size, data offset, type, channel. */
const FRAME_BYTES_MIN = 8
/** "AMQP" read as a frame's size: a protocol header begins here, before SASL and again after it. */
const MAGIC = 0x414d5150
/** Where a header says its protocol (part 2, 2.2 and 5.3.1), and what SASL is there. */
const PROTOCOL_ID_AT = 4
const SASL = 3
/** What is kept of a frame that has not come whole begins so large, and grows with what comes, not with what is announced. */
const HELD_BYTES_FIRST = 1_024

/** Whole headers and frames, in order; or why the peer has to be cut off. */
export type Passed = { readonly whole: readonly Buffer[] } | { readonly refused: string }

/**
 * Stands before everything that reads what a peer sends: keeps back a frame until it is whole, and passes on only frames whose size and values are
 * what they may be. rhea itself keeps what a size announces, however large, keeps each piece as it came, however small, and asks for no name first.
 */
export class FrameGuard {
  readonly #maxFrameBytes: number
  #held: Buffer = Buffer.alloc(0)
  #heldBytes = 0
  /** What its latest header began. */
  #layer: 'none' | 'sasl' | 'amqp' = 'none'
  #passed = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Bytes seen so far. */
  get passedBytes(): number {
    return this.#passed
  }

  /** Bytes of a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  take(bytes: Buffer): Passed {
    this.#passed += bytes.length
    try {
      return { whole: this.#wholeOf(bytes) }
    } catch (error) {
      return { refused: messageOf(error) }
    }
  }

  #wholeOf(bytes: Buffer): Buffer[] {
    const whole: Buffer[] = []
    let at = 0
    if (this.#heldBytes > 0) {
      at = this.#fill(bytes)
      if (this.#heldBytes > 0) return whole
      whole.push(this.#held)
      this.#held = Buffer.alloc(0)
    }
    const from = at
    while (bytes.length - at >= SIZE_BYTES) {
      const size = this.#sizeAt(bytes, at)
      if (at + size > bytes.length) break
      this.#check(bytes.subarray(at, at + size))
      at += size
    }
    if (at > from) whole.push(bytes.subarray(from, at))
    if (at < bytes.length) this.#hold(bytes, at, bytes.length)
    return whole
  }

  /** Goes on with the frame that is held; where that is whole then, nothing counts as held. Gives how many bytes were its. */
  #fill(bytes: Buffer): number {
    let at = 0
    if (this.#heldBytes < SIZE_BYTES) {
      at = Math.min(SIZE_BYTES - this.#heldBytes, bytes.length)
      this.#hold(bytes, 0, at)
      if (this.#heldBytes < SIZE_BYTES) return at
    }
    const size = this.#sizeAt(this.#held, 0)
    const to = Math.min(at + size - this.#heldBytes, bytes.length)
    this.#hold(bytes, at, to)
    if (this.#heldBytes === size) {
      this.#held = this.#held.subarray(0, size)
      this.#check(this.#held)
      this.#heldBytes = 0
    }
    return to
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const wanted = this.#heldBytes + to - from
    if (wanted > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, HELD_BYTES_FIRST, this.#held.length * 2))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes, from, to)
    this.#heldBytes = wanted
  }

  /** The size of the header or frame that begins there. */
  #sizeAt(bytes: Buffer, at: number): number {
    const size = bytes.readUInt32BE(at)
    if (size === MAGIC) return PROTOCOL_HEADER_BYTES
    if (this.#layer === 'none') throw new Error('it does not begin as AMQP does')
    if (size < FRAME_BYTES_MIN || size > this.#maxFrameBytes)
      throw new Error(`a frame gives itself ${size} bytes, ${this.#maxFrameBytes} are allowed`)
    return size
  }

  #check(part: Buffer): void {
    if (part.readUInt32BE(0) !== MAGIC) {
      checkFrame(part)
      return
    }
    const layer = part[PROTOCOL_ID_AT] === SASL ? 'sasl' : 'amqp'
    // Anywhere else rhea takes a header for the size of a frame, and waits for a gigabyte.
    if (this.#layer === 'amqp' || this.#layer === layer) throw new Error('a protocol header came where none is due')
    this.#layer = layer
  }
}
