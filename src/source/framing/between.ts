import type { Framer, FramerHooks } from './framer.ts'
import { escapedBytes, type FrameOptions } from './options.ts'

/*
  record = what lies between `start` and `end`, then `trailer` bytes (a checksum, for example)
  stream = (noise? start record-bytes end trailer)*
*/

const NONE: Buffer = Buffer.alloc(0)
const LINE_ENDS = new Set([0x0d, 0x0a])

/** What usually lies between two records. */
function isBetween(bytes: Buffer): boolean {
  return bytes.every(byte => LINE_ENDS.has(byte))
}

/**
 * Records between start and end bytes. A start within a record means that the one before broke off. Never holds more than a record at its longest
 * with its borders: where no end comes by then, the next start is looked for.
 */
export class BetweenFramer implements Framer {
  readonly #options: FrameOptions
  readonly #hooks: FramerHooks
  readonly #start: Buffer
  readonly #end: Buffer
  readonly #trailer: number
  readonly #keepsBorders: boolean
  #held: Buffer = NONE
  #inside = false
  #skipping = false

  constructor(options: FrameOptions, hooks: FramerHooks) {
    const { start = '', end = '', trailer = 0, borders = 'drop' } = options.between ?? {}
    this.#options = options
    this.#hooks = hooks
    this.#start = escapedBytes(start)
    this.#end = escapedBytes(end)
    this.#trailer = trailer
    this.#keepsBorders = borders === 'keep'
  }

  push(chunk: Buffer, receivedMs: number): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    let from = 0
    for (;;) {
      const next = this.#inside ? this.#record(bytes, from, receivedMs) : this.#findStart(bytes, from)
      if (next === undefined) break
      from = next
    }
    // Outside, only what may be the beginning of a start is kept.
    const kept = this.#inside ? from : Math.max(from, bytes.length - this.#start.length + 1)
    if (!this.#inside) this.#skip(bytes, from, kept)
    this.#held = kept < bytes.length ? Buffer.from(bytes.subarray(kept)) : NONE
  }

  interrupted(): void {
    if (this.#inside) this.#hooks.onTrouble('a record broke off')
    this.#inside = false
    this.#skipping = false
    this.#held = NONE
  }

  /** Where the record begins that follows; undefined where none has begun yet. */
  #findStart(bytes: Buffer, from: number): number | undefined {
    const at = bytes.indexOf(this.#start, from)
    if (at < 0) return undefined
    this.#skip(bytes, from, at)
    this.#skipping = false
    this.#inside = true
    return at + this.#start.length
  }

  /** Hands on the record that begins at `from`, and gives where it ended; undefined while it has not. */
  #record(bytes: Buffer, from: number, timeMs: number): number | undefined {
    const { max_bytes: most } = this.#options
    const at = bytes.indexOf(this.#end, from)
    if (at < 0 ? bytes.length - from >= most + this.#end.length : at - from > most) return this.#tooLong(bytes, from, timeMs)
    if (at < 0) return undefined
    const again = bytes.subarray(from, at).lastIndexOf(this.#start)
    if (again >= 0) {
      this.#hooks.onTrouble('a record broke off')
      return from + again + this.#start.length
    }
    // Where one border does for both, and nothing is before it, what passed for the start was the end of a record whose beginning nobody heard.
    if (this.#end.equals(this.#start) && isBetween(bytes.subarray(from, at))) return at + this.#end.length
    const to = at + this.#end.length + this.#trailer
    if (to > bytes.length) return undefined
    this.#inside = false
    if (this.#keepsBorders)
      this.#hooks.onFrame(Buffer.concat([this.#start, bytes.subarray(from, to)]), 0, to - from + this.#start.length, timeMs)
    else if (this.#trailer === 0) {
      if (at > from) this.#hooks.onFrame(bytes, from, at, timeMs)
    } else {
      const record = Buffer.concat([bytes.subarray(from, at), bytes.subarray(at + this.#end.length, to)])
      this.#hooks.onFrame(record, 0, record.length, timeMs)
    }
    return to
  }

  #tooLong(bytes: Buffer, from: number, timeMs: number): number {
    this.#hooks.onTrouble('a record was too long')
    this.#inside = false
    this.#skipping = true
    if (this.#options.oversize === 'truncate') this.#hooks.onFrame(bytes, from, from + this.#options.max_bytes, timeMs)
    return from
  }

  /** Counts what lies between two records, once for each time; line ends between them are usual. */
  #skip(bytes: Buffer, from: number, to: number): void {
    if (this.#skipping || from >= to) return
    if (isBetween(bytes.subarray(from, to))) return
    this.#skipping = true
    this.#hooks.onTrouble('bytes outside of a record')
  }
}
