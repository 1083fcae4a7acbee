/** The last bytes of what was pushed. */
export class ByteRing {
  readonly #ring: Buffer
  #pushed = 0

  constructor(bytes: number) {
    this.#ring = Buffer.alloc(bytes)
  }

  push(chunk: Buffer): void {
    const size = this.#ring.length
    const kept = chunk.subarray(Math.max(0, chunk.length - size))
    const at = (this.#pushed + chunk.length - kept.length) % size
    const fitting = kept.copy(this.#ring, at)
    kept.copy(this.#ring, 0, fitting)
    this.#pushed += chunk.length
  }

  /** Bytes that were pushed and are not there any more. */
  get lost(): number {
    return Math.max(0, this.#pushed - this.#ring.length)
  }

  /** What is there, oldest first. */
  bytes(): Buffer {
    const at = this.#pushed % this.#ring.length
    return this.lost === 0
      ? this.#ring.subarray(0, this.#pushed)
      : Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)])
  }
}
