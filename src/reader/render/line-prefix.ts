import { Bytes } from './copy-bytes.ts'

const ZERO = 48
const NINE = 57
const LOW_DIGITS = 6
const LOW = 1_000_000

/**
 * What of a source's NDJSON lines is before the value. From one line to the next its number goes up by one and its time changes in the last
 * digits: those are written over, and the rest stays.
 */
export class LinePrefix {
  readonly #head: string
  #bytes = new Bytes(Buffer.alloc(0))
  #sequence = Number.NaN
  #sequenceEnd = 0
  #timeMs = Number.NaN
  #timeEnd = 0

  /** `head`: what is before the number. */
  constructor(head: string) {
    this.#head = head
  }

  /** The prefix of a record, valid until the next call. */
  of(sequence: number, timeMs: number): Bytes {
    const follows = sequence === this.#sequence + 1 && this.#increment()
    const sameMillion = timeMs >= LOW && Math.floor(timeMs / LOW) === Math.floor(this.#timeMs / LOW)
    if (!follows || !sameMillion) this.#writeAnew(sequence, timeMs)
    else if (timeMs !== this.#timeMs) this.#writeLowDigits(timeMs % LOW)
    this.#sequence = sequence
    this.#timeMs = timeMs
    return this.#bytes
  }

  #writeAnew(sequence: number, timeMs: number): void {
    const numbered = `${this.#head}${sequence}`
    const timed = `${numbered},"time_ms":${timeMs}`
    this.#bytes = new Bytes(Buffer.from(`${timed},"value`, 'latin1'))
    this.#sequenceEnd = numbered.length
    this.#timeEnd = timed.length
  }

  /** Adds one to the number as it stands there; false where it needs another digit. */
  #increment(): boolean {
    const { buffer } = this.#bytes
    for (let at = this.#sequenceEnd - 1; at >= this.#head.length; at--) {
      const digit = buffer[at] ?? 0
      if (digit < NINE) {
        buffer[at] = digit + 1
        return true
      }
      buffer[at] = ZERO
    }
    return false
  }

  #writeLowDigits(value: number): void {
    const { buffer } = this.#bytes
    let rest = value
    for (let at = this.#timeEnd - 1; at >= this.#timeEnd - LOW_DIGITS; at--) {
      const tenth = (rest / 10) | 0
      buffer[at] = ZERO + rest - tenth * 10
      rest = tenth
    }
  }
}
