import { Bytes } from './copy-bytes.ts'

const ZERO = 48
const NINE = 57
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
  /** The last six digits of the time; no number where it has fewer. */
  #low = Number.NaN

  /** `head`: what is before the number. */
  constructor(head: string) {
    this.#head = head
  }

  /** The prefix of a record, valid until the next call. */
  of(sequence: number, timeMs: number): Bytes {
    const low = this.#low + (timeMs - this.#timeMs)
    // Of the first record, and after a time of few digits, this does not hold.
    const isNear = low >= 0 && low < LOW
    if (sequence !== this.#sequence + 1 || !isNear || !this.#increment()) this.#writeAnew(sequence, timeMs)
    else this.#writeLowDigits(low)
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
    this.#low = timeMs >= LOW ? timeMs % LOW : Number.NaN
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

  /** From the last digit on, as far as they are others than before. */
  #writeLowDigits(low: number): void {
    const { buffer } = this.#bytes
    let [rest, before] = [low, this.#low]
    for (let at = this.#timeEnd - 1; rest !== before; at--) {
      const tenth = (rest / 10) | 0
      buffer[at] = ZERO + rest - tenth * 10
      rest = tenth
      before = (before / 10) | 0
    }
    this.#low = low
  }
}
