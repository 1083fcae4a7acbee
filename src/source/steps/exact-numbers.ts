/** A text or a number of JSON: a text is passed over whole, since what looks like a number in it is none. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
/** Whether there may be a number that a double does not hold: sixteen digits before the point, or an exponent of three. */
const SUSPECT = /(?<![.\d])\d{16}|\d[eE]\+?\d{3}/
const MARK = '\u0001'
const MARKED = /"\\u0001(-?\d[\d.eE+-]*)\\u0001"/g

/** Numbers that a double does not hold, by the double that stands for each, as they were written: identities of 64 bits, times in ns. */
export type ExactNumbers = ReadonlyMap<number, string>

/** Those in a text of JSON; undefined where there are none, as nearly always. */
export function exactNumbersIn(json: string): ExactNumbers | undefined {
  if (!SUSPECT.test(json)) return undefined
  const found = new Map<number, string>()
  for (const [token] of json.matchAll(TOKEN)) {
    if (token.startsWith('"')) continue
    const value = Number(token)
    const isHeld = Number.isSafeInteger(value) || (Number.isFinite(value) && !/^-?\d{16}/.test(token))
    if (!isHeld) found.set(value, token)
  }
  return found.size > 0 ? found : undefined
}

/** JSON in which those numbers stand as they were written. */
export function withExactNumbers(value: unknown, exact: ExactNumbers): string {
  const marked = JSON.stringify(value, (_name, each: unknown) => {
    const written = typeof each === 'number' ? exact.get(each) : undefined
    return written === undefined ? each : `${MARK}${written}${MARK}`
  })
  return marked.replace(MARKED, '$1')
}
