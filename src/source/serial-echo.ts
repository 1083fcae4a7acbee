/**
 * Takes out of what is read what was sent just before: two-wire lines and optical heads give it back. What is not what was sent is the device's, and
 * ends the waiting for the echo.
 */
export class EchoFilter {
  readonly #onTrouble: (what: string) => void
  #expected: Buffer = Buffer.alloc(0)

  constructor(onTrouble: (what: string) => void) {
    this.#onTrouble = onTrouble
  }

  expect(sent: Buffer): void {
    this.#expected = Buffer.concat([this.#expected, sent])
  }

  forget(): void {
    this.#expected = Buffer.alloc(0)
  }

  take(bytes: Buffer): Buffer {
    let same = 0
    while (same < bytes.length && same < this.#expected.length && bytes[same] === this.#expected[same]) same += 1
    if (same < bytes.length && same < this.#expected.length) {
      this.#onTrouble('an echo was not what was sent')
      this.#expected = Buffer.alloc(0)
    } else this.#expected = this.#expected.subarray(same)
    return bytes.subarray(same)
  }
}
