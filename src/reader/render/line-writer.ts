import type { Writable } from 'node:stream'
import { HeadraceError } from '../../runtime/errors.ts'

/** Bytes gathered before they are handed to the stream: a pipe takes 64 KiB at a time, and each hand-over costs more than the copy. */
const CHUNK_BYTES = 256 * 1024

/**
 * Gathers lines into large chunks for a stream, and waits where the stream is full: memory stays at two chunks however slow the reader.
 */
export class LineWriter {
  readonly #to: Writable
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #at = 0
  #failed: Error | undefined
  bytesWritten = 0

  constructor(to: Writable) {
    this.#to = to
    to.on('error', error => {
      this.#failed = error
    })
  }

  /** Makes room for `bytes` and gives the memory to write to; follow with {@link advance}. */
  reserve(bytes: number): { chunk: Buffer; at: number } {
    if (this.#at + bytes > this.#chunk.length) {
      this.#hand()
      if (bytes > this.#chunk.length) this.#chunk = Buffer.allocUnsafeSlow(bytes)
    }
    return { chunk: this.#chunk, at: this.#at }
  }

  /** Says where writing ended. */
  advance(to: number): void {
    this.#at = to
  }

  text(line: string): void {
    const { chunk, at } = this.reserve(line.length * 3)
    this.advance(at + chunk.write(line, at, 'utf8'))
  }

  /** Waits until the stream takes more; rejects when the reader has gone. Called between batches. */
  async ready(): Promise<void> {
    if (this.#failed) throw this.#gone(this.#failed)
    if (!this.#to.writableNeedDrain) return
    await new Promise<void>(resolve => {
      const go = () => {
        this.#to.off('drain', go)
        this.#to.off('close', go)
        resolve()
      }
      this.#to.on('drain', go)
      this.#to.on('close', go)
    })
    if (this.#failed) throw this.#gone(this.#failed)
  }

  async end(): Promise<void> {
    this.#hand()
    if (this.#failed) throw this.#gone(this.#failed)
    await new Promise<void>(resolve => this.#to.end(() => resolve()))
  }

  #hand(): void {
    if (this.#at === 0) return
    this.bytesWritten += this.#at
    if (!this.#failed) this.#to.write(this.#chunk.subarray(0, this.#at))
    // The stream still holds the chunk: it is not written to again.
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#at = 0
  }

  #gone(cause: Error): HeadraceError {
    return new HeadraceError('command_failed', 'the command stopped reading before it had all records', { cause })
  }
}
