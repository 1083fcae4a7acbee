import { parseNumbers, rawJson } from '../../runtime/raw-json.ts'

/** Whether there may be a number that a double does not hold: sixteen digits before the point, or an exponent of three. */
const SUSPECT = /(?<![.\d])\d{16}|\d[eE]\+?\d{3}/

/**
 * Numbers that a double does not hold, as they were written: identities of 64 bits, times in ns. By their field's name and the double that stands for
 * each, since two of one record may be so close that one double stands for both; and by the double alone, for fields that were given another name.
 */
export type ExactNumbers = ReadonlyMap<string, string>

const keyOf = (name: string, value: number) => `${name} ${value}`

/** Those in a text of JSON; undefined where there are none, as nearly always. Throws as `JSON.parse` does. */
export function exactNumbersIn(json: string): ExactNumbers | undefined {
  if (!SUSPECT.test(json)) return undefined
  const found = new Map<string, string>()
  parseNumbers(json, (name, value, written) => {
    const isHeld = Number.isSafeInteger(value) || (Number.isFinite(value) && !/^-?\d{16}/.test(written))
    if (isHeld) return value
    found.set(keyOf(name, value), written)
    if (!found.has(keyOf('', value))) found.set(keyOf('', value), written)
    return value
  })
  return found.size > 0 ? found : undefined
}

/** JSON in which those numbers stand as they were written. */
export function withExactNumbers(value: unknown, exact: ExactNumbers): string {
  return JSON.stringify(value, (name, each: unknown) => {
    if (typeof each !== 'number') return each
    const written = exact.get(keyOf(name, each)) ?? exact.get(keyOf('', each))
    return written === undefined ? each : rawJson(written)
  })
}
