/** Bytes that lie in several places and are one: rhea cuts them into frames, and nobody copies them. */
export class Gathered {
  readonly pieces: readonly Buffer[]
  readonly length: number

  constructor(pieces: readonly Buffer[]) {
    this.pieces = pieces
    this.length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  }

  slice(from: number, to: number): Gathered {
    const pieces: Buffer[] = []
    let at = 0
    for (const piece of this.pieces) {
      const part = piece.subarray(Math.max(0, from - at), Math.max(0, to - at))
      if (part.length > 0) pieces.push(part)
      at += piece.length
    }
    return new Gathered(pieces)
  }
}
