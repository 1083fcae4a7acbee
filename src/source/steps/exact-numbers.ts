import { rawJson } from '../../runtime/raw-json.ts'

/** A text or a number of JSON: a text is passed over whole, since what looks like a number in it is none. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
/** Whether there may be a number that a double does not hold: sixteen digits before the point, or an exponent of three. */
const SUSPECT = /(?<![.\d])\d{16}|\d[eE]\+?\d{3}/

/**
 * Numbers that a double does not hold, as they were written: identities of 64 bits, times in ns. By their field's name and the double that stands for
 * each, since two of one record may be so close that one double stands for both; and by the double alone, for fields that were given another name.
 */
export type ExactNumbers = ReadonlyMap<string, string>

const keyOf = (name: string, value: number) => `${name} ${value}`

/** Those in a text of JSON; undefined where there are none, as nearly always. */
export function exactNumbersIn(json: string): ExactNumbers | undefined {
  if (!SUSPECT.test(json)) return undefined
  const found = new Map<string, string>()
  let name = ''
  for (const [token] of json.matchAll(TOKEN)) {
    if (token.startsWith('"')) {
      name = token
      continue
    }
    const value = Number(token)
    const isHeld = Number.isSafeInteger(value) || (Number.isFinite(value) && !/^-?\d{16}/.test(token))
    if (isHeld) continue
    found.set(keyOf(JSON.parse(name || '""'), value), token)
    if (!found.has(keyOf('', value))) found.set(keyOf('', value), token)
  }
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
