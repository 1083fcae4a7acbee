import type { Framer, FramerHooks } from './framer.ts'
import { escapedBytes, type FrameOptions } from './options.ts'

/*
  record = bytes without the delimiter
  stream = (record delimiter)*
*/

/**
 * Records that end with a delimiter. Never holds more than `max_bytes` and a delimiter: of a longer record the rest is passed over up to the next
 * delimiter.
 */
export class DelimiterFramer implements Framer {
  readonly #delimiter: Buffer
  readonly #maxBytes: number
  readonly #keepBeginning: boolean
  readonly #hooks: FramerHooks
  /** What has come of a record that has not ended. */
  #held: Buffer
  #heldBytes = 0
  /** The last bytes of what has come of it, held or not: the delimiter may begin there. */
  #tail: Buffer = Buffer.alloc(0)
  /** The record is too long: its beginning is held or thrown away, the rest is passed over. */
  #over = false

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#delimiter = escapedBytes(options.delimiter ?? '\n')
    this.#maxBytes = options.max_bytes
    this.#keepBeginning = options.oversize === 'truncate'
    this.#hooks = hooks
    this.#held = Buffer.allocUnsafe(Math.min(options.max_bytes, 1_024) + this.#delimiter.length)
  }

  push(chunk: Buffer, receivedMs: number): void {
    let from = 0
    if (this.#heldBytes > 0 || this.#over) from = this.#finishHeld(chunk, receivedMs)
    if (from < 0) return
    for (;;) {
      const at = chunk.indexOf(this.#delimiter, from)
      if (at < 0) break
      this.#frame(chunk, from, at, receivedMs)
      from = at + this.#delimiter.length
    }
    if (from < chunk.length) this.#hold(chunk, from)
  }

  interrupted(): void {
    if (this.#heldBytes > 0 && !this.#over) this.#hooks.onTrouble('a record broke off')
    this.#startAnew()
  }

  end(receivedMs: number): void {
    if (this.#over) this.#passOver(receivedMs)
    else if (this.#heldBytes > 0) this.#frame(this.#held, 0, this.#heldBytes, receivedMs)
    this.#startAnew()
  }

  /** Looks for the end of the held record; gives where the next begins in `chunk`, or −1 where it has not ended. */
  #finishHeld(chunk: Buffer, receivedMs: number): number {
    const tail = this.#tail.length
    // The delimiter may begin in what came before and end in what came now.
    const across =
      tail > 0 ? Buffer.concat([this.#tail, chunk.subarray(0, this.#delimiter.length - 1)]).indexOf(this.#delimiter) : -1
    const inChunk = chunk.indexOf(this.#delimiter)
    let end: number
    let next: number
    if (across >= 0) {
      if (!this.#over) this.#heldBytes -= tail - across
      end = 0
      next = across + this.#delimiter.length - tail
    } else if (inChunk >= 0) {
      end = inChunk
      next = inChunk + this.#delimiter.length
    } else {
      this.#hold(chunk, 0)
      return -1
    }
    if (this.#over) this.#passOver(receivedMs)
    else {
      this.#append(chunk, 0, end)
      if (this.#over) this.#passOver(receivedMs)
      else this.#frame(this.#held, 0, this.#heldBytes, receivedMs)
    }
    this.#startAnew()
    return next
  }

  #startAnew(): void {
    this.#heldBytes = 0
    this.#over = false
    this.#tail = this.#tail.subarray(0, 0)
  }

  #frame(bytes: Buffer, from: number, to: number, timeMs: number): void {
    if (to === from) return
    if (to - from <= this.#maxBytes) {
      this.#hooks.onFrame(bytes, from, to, timeMs)
      return
    }
    this.#hooks.onTrouble('a record was too long')
    if (this.#keepBeginning) this.#hooks.onFrame(bytes, from, from + this.#maxBytes, timeMs)
  }

  #passOver(timeMs: number): void {
    if (this.#keepBeginning) this.#hooks.onFrame(this.#held, 0, Math.min(this.#heldBytes, this.#maxBytes), timeMs)
  }

  #hold(chunk: Buffer, from: number): void {
    this.#append(chunk, from, chunk.length)
    const tailBytes = this.#delimiter.length - 1
    if (tailBytes > 0)
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(Math.max(from, chunk.length - tailBytes))]).subarray(-tailBytes)
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const limit = this.#maxBytes + this.#delimiter.length - 1
    const room = limit - this.#heldBytes
    if (to - from > room && !this.#over) {
      // Counted when it is, and not at its end: where the delimiter is another one than the device's, that never comes.
      this.#over = true
      this.#hooks.onTrouble('a record was too long')
    }
    const end = Math.min(to, from + Math.max(0, room))
    const wanted = this.#heldBytes + end - from
    if (wanted > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.min(limit + 1, Math.max(wanted, this.#held.length * 2)))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes, from, end)
    this.#heldBytes = wanted
  }
}
