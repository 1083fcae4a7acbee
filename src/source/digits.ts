/** Digits that are kept of what was reckoned, so that 0.1 times 3 is 0.3. */
const DIGITS = 12
/** Counters and times are larger than that, and none of their digits is noise: a double has fifteen that are right. */
const LARGE = 1e9
const DIGITS_OF_LARGE = 15

/** A product or a sum without the noise behind its last digit. */
export function reckoned(value: number): number {
  if (Number.isInteger(value)) return value
  return Number(value.toPrecision(Math.abs(value) >= LARGE ? DIGITS_OF_LARGE : DIGITS))
}

/** So many digits every float of 32 bits keeps, and so many tell any two of them apart. */
const FLOAT_DIGITS = { kept: 6, all: 9 } as const

/** A float of 32 bits as the shortest decimal number that stands for it: 21.1, and not 21.100000381469727. */
export function shortestFloat(value: number): number {
  for (let digits: number = FLOAT_DIGITS.kept; digits < FLOAT_DIGITS.all; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number(value.toPrecision(FLOAT_DIGITS.all))
}
