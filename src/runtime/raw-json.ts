/*
  JSON whose numbers stay as they were written (ECMAScript, "JSON.parse source text access"), which TypeScript does not know yet.
*/
interface SourceAccess {
  rawJSON(text: string): unknown
  parse(text: string, reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
}
const access = JSON as unknown as SourceAccess

/** Text that stands in JSON as it is. */
export const rawJson = (text: string): unknown => access.rawJSON(text)

/** Digits enough that a double may not hold them, or an exponent that may be beyond it. */
const LARGE = /[\d.]{16}|[eE][+-]?\d{3}/

/** A number that a double does not hold, as it was written. */
export class WrittenNumber {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }

  toJSON(): unknown {
    return rawJson(this.#text)
  }
}

/** Parses JSON; numbers that a double would change are {@link WrittenNumber}. Throws as `JSON.parse` does. */
export function parseExactly(json: string): unknown {
  if (!LARGE.test(json)) return JSON.parse(json)
  return parseNumbers(json, (_name, value, written) =>
    LARGE.test(written) && String(value) !== written ? new WrittenNumber(written) : value,
  )
}

/** Parses JSON; each number becomes what `read` makes of it, of the name that it stands under, and of how it was written. Throws as `JSON.parse` does. */
export function parseNumbers(json: string, read: (name: string, value: number, written: string) => unknown): unknown {
  return access.parse(json, (name, value, { source }) =>
    typeof value === 'number' && source !== undefined ? read(name, value, source) : value,
  )
}
