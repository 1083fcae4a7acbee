const LOW_DIGITS = 6
const LOW = 1_000_000
const ZERO = 48

/**
 * Writes numbers in decimal, without a string for each: what is above a million changes seldom from one record's number or time to the next,
 * and is kept as it was written.
 */
export class Digits {
  #high = -1
  #highText = Buffer.alloc(0)

  /** Writes a safe integer; gives where it ended. */
  write(into: Buffer, start: number, value: number): number {
    if (value < 0) return start + into.write(String(value), start, 'latin1')
    const high = Math.floor(value / LOW)
    let low = value - high * LOW
    let at = start
    if (high > 0) {
      if (high !== this.#high) {
        this.#high = high
        this.#highText = Buffer.from(String(high), 'latin1')
      }
      for (let index = 0; index < this.#highText.length; index++) into[at++] = this.#highText[index] as number
    }
    let digits = LOW_DIGITS
    if (high === 0) for (digits = 1; digits < LOW_DIGITS && low >= 10 ** digits; ) digits++
    for (let place = at + digits - 1; place >= at; place--) {
      const rest = (low / 10) | 0
      into[place] = ZERO + low - rest * 10
      low = rest
    }
    return at + digits
  }
}
