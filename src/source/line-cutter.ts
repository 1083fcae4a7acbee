/** Cuts what is read of a file into records, each with the place behind it. Holds at most one record of `maxBytes`. */
export class LineCutter {
  readonly #delimiter: Buffer | undefined
  readonly #maxBytes: number
  readonly #onLine: (line: Buffer, end: number) => void
  readonly #onTooLong: () => void
  #held: Buffer = Buffer.alloc(0)
  #over = false

  /** `delimiter`: undefined where only the file's end ends a record. `end` is the offset in the file behind it. A record's memory is its own. */
  constructor(options: {
    delimiter: Buffer | undefined
    maxBytes: number
    onLine: (line: Buffer, end: number) => void
    onTooLong: () => void
  }) {
    this.#delimiter = options.delimiter
    this.#maxBytes = options.maxBytes
    this.#onLine = options.onLine
    this.#onTooLong = options.onTooLong
  }

  /** `chunk` is what follows; it ends at the offset `end` of the file. */
  push(chunk: Buffer, end: number): void {
    const bytes = Buffer.concat([this.#held, chunk])
    const base = end - bytes.length
    const border = this.#delimiter
    let from = 0
    for (let at = border ? bytes.indexOf(border) : -1; border && at >= 0; at = bytes.indexOf(border, from)) {
      this.#cut(bytes.subarray(from, at), base + at + border.length)
      from = at + border.length
    }
    this.#held = bytes.subarray(from)
    const borderBytes = border?.length ?? 1
    if (this.#held.length > this.#maxBytes + borderBytes) {
      if (!this.#over) this.#onTooLong()
      this.#over = true
      // Of one that is too long only as much is kept as may be the beginning of its delimiter.
      this.#held = this.#held.subarray(this.#held.length - borderBytes + 1)
    }
  }

  /** The file ends here, at the offset `end`: what is left is a record too. */
  end(end: number): void {
    const rest = this.#held
    this.#held = Buffer.alloc(0)
    if (rest.length > 0) this.#cut(rest, end)
    this.#over = false
  }

  #cut(line: Buffer, end: number): void {
    if (this.#over) {
      this.#over = false
      return
    }
    if (line.length > this.#maxBytes) this.#onTooLong()
    else if (line.length > 0) this.#onLine(line, end)
  }
}
