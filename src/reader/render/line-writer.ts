import type { Hash } from 'node:crypto'
import { Bytes } from './copy-bytes.ts'

/** Bytes gathered before they are handed on: a pipe takes 64 KiB at a time, and each hand-over costs more than the copy. */
const CHUNK_BYTES = 256 * 1024
/** Chunks that wait to be written again; what comes back beside them is left to the collector. */
const FREE_CHUNKS_MAX = 4

/** Gathers lines into large chunks. {@link take} gives them away until they are given back; what is written meanwhile goes to others. */
export class LineWriter {
  #chunk = new Bytes(Buffer.allocUnsafeSlow(CHUNK_BYTES))
  #at = 0
  #full: Buffer[] = []
  readonly #free: Bytes[] = []
  #hash: Hash | undefined
  #hashedTo = 0

  /** Makes room for `bytes` and gives the memory to write to; follow with {@link advance}. */
  reserve(bytes: number): Bytes {
    if (this.#at + bytes > this.#chunk.buffer.length) this.#turn(bytes)
    return this.#chunk
  }

  /** Where in that memory to write. */
  get at(): number {
    return this.#at
  }

  /** Says where writing ended. */
  advance(to: number): void {
    this.#at = to
  }

  text(line: string): void {
    const { buffer } = this.reserve(line.length * 3)
    this.advance(this.#at + buffer.write(line, this.#at, 'utf8'))
  }

  /** What is written from here on is taken into `hash`, until the next call. */
  hashInto(hash: Hash | undefined): void {
    this.#digest()
    this.#hash = hash
  }

  /** The chunks that are full, and the last one too where it holds `lastBytesMin` or more. They are the caller's until {@link giveBack}. */
  take(lastBytesMin: number): Buffer[] {
    if (this.#at >= Math.max(1, lastBytesMin)) this.#turn(0)
    const taken = this.#full
    this.#full = []
    return taken
  }

  /** A chunk that was taken and that nobody reads any more: it is written again, instead of new memory for each. */
  readonly giveBack = (chunk: Buffer): void => {
    if (chunk.buffer.byteLength !== CHUNK_BYTES || this.#free.length >= FREE_CHUNKS_MAX) return
    this.#free.push(new Bytes(Buffer.from(chunk.buffer)))
  }

  #turn(bytes: number): void {
    this.#digest()
    if (this.#at > 0) this.#full.push(this.#chunk.buffer.subarray(0, this.#at))
    if (this.#at > 0 || bytes > this.#chunk.buffer.length) this.#chunk = this.#chunkFor(bytes)
    this.#at = 0
    this.#hashedTo = 0
  }

  #chunkFor(bytes: number): Bytes {
    const free = bytes <= CHUNK_BYTES ? this.#free.pop() : undefined
    return free ?? new Bytes(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes)))
  }

  #digest(): void {
    if (this.#hash && this.#at > this.#hashedTo) this.#hash.update(this.#chunk.buffer.subarray(this.#hashedTo, this.#at))
    this.#hashedTo = this.#at
  }
}
