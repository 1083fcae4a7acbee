import { assert } from '../runtime/errors.ts'

/** Small bytes share pieces of memory of so much: a piece lives for as long as any of them is needed. */
const PIECE_BYTES = 8 * 1024

/** Numbers and bytes as they go to another thread. */
export interface Cargo {
  readonly numbers: Float64Array
  /** Memory that small bytes share. */
  readonly pieces: readonly Uint8Array[]
  /** What was moved, in the order in which it came. */
  readonly large: readonly Uint8Array[]
}

/**
 * Puts numbers and bytes together that go to another thread. What goes there as objects is copied name by name, and memory that is moved has to be taken from the one and registered with the other: for
 * a small block that takes longer than to write it. Here a number is eight bytes, and small bytes are copied, many of them into one piece; large ones are moved.
 */
export class CargoWriter {
  #numbers: Float64Array
  #count = 0
  readonly #pieces: Uint8Array[] = []
  readonly #large: Uint8Array[] = []
  readonly #moved: ArrayBuffer[] = []
  #filling: Uint8Array = new Uint8Array(0)
  #filled = 0
  #bytesLeft: number

  /** `numbers`: about so many will come, and `copiedBytes` of those that are copied. */
  constructor(numbers: number, copiedBytes: number) {
    this.#numbers = new Float64Array(numbers)
    this.#bytesLeft = copiedBytes
  }

  number(value: number): void {
    if (this.#count === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#count + 1)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#numbers[this.#count++] = value
  }

  /** `own`: their memory, which nobody else has anything in; it is moved. */
  bytes(bytes: Uint8Array, own: ArrayBuffer | undefined): void {
    if (own) {
      this.#moved.push(own)
      this.#place(-this.#large.push(bytes), 0, bytes.length)
      return
    }
    if (this.#filled + bytes.length > this.#filling.length) this.#newPiece(bytes.length)
    this.#filling.set(bytes, this.#filled)
    this.#place(this.#pieces.length - 1, this.#filled, bytes.length)
    this.#filled += bytes.length
    this.#bytesLeft -= bytes.length
  }

  /** What goes, and what of it is moved with it. */
  end(): { cargo: Cargo; moved: ArrayBuffer[] } {
    const cargo = { numbers: this.#numbers.subarray(0, this.#count), pieces: this.#pieces, large: this.#large }
    return { cargo, moved: [this.#numbers.buffer as ArrayBuffer, ...this.#moved] }
  }

  /** `piece`: below zero the -n-th that was moved, from 1 on. */
  #place(piece: number, at: number, length: number): void {
    this.number(piece)
    this.number(at)
    this.number(length)
  }

  #newPiece(bytes: number): void {
    this.#filling = new Uint8Array(Math.max(bytes, Math.min(PIECE_BYTES, this.#bytesLeft)))
    this.#filled = 0
    this.#pieces.push(this.#filling)
    this.#moved.push(this.#filling.buffer as ArrayBuffer)
  }
}

/** Takes them out again, in the same order. */
export class CargoReader {
  readonly #numbers: Float64Array
  readonly #pieces: readonly Uint8Array[]
  readonly #large: readonly Uint8Array[]
  #at = 0

  constructor({ numbers, pieces, large }: Cargo) {
    this.#numbers = numbers
    this.#pieces = pieces
    this.#large = large
  }

  get isEmpty(): boolean {
    return this.#at === this.#numbers.length
  }

  number(): number {
    return this.#numbers[this.#at++] ?? Number.NaN
  }

  bytes(): Buffer {
    const place = this.number()
    const at = this.number()
    const length = this.number()
    const piece = place < 0 ? this.#large[-place - 1] : this.#pieces[place]
    assert(piece, 'what was put in can be taken out')
    // A Buffer arrives from another thread as a Uint8Array.
    return Buffer.from(piece.buffer as ArrayBuffer, piece.byteOffset + at, length)
  }
}
