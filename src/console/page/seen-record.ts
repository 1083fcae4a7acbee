/** A record as the API's stream gives it. */
export interface RecordItem {
  readonly seq: number
  readonly time_ms: number
  readonly value_base64: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** A record that the page holds; it is decoded when it is first looked at: of a fast source most never are. */
export class SeenRecord {
  readonly seq: number
  readonly timeMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly #base64: string | null
  #bytes: Uint8Array | undefined
  #text: string | undefined
  #fields: Readonly<Record<string, unknown>> | null | undefined

  constructor({ seq, time_ms, value_base64, headers }: RecordItem) {
    this.seq = seq
    this.timeMs = time_ms
    this.headers = headers
    this.#base64 = value_base64
  }

  get isPlaceholder(): boolean {
    return this.#base64 === null
  }

  get bytes(): Uint8Array {
    this.#bytes ??= Uint8Array.from(atob(this.#base64 ?? ''), char => char.charCodeAt(0))
    return this.#bytes
  }

  get text(): string {
    this.#text ??= new TextDecoder().decode(this.bytes)
    return this.#text
  }

  /** What was decoded, line by line: numbers stand as the record has them, since a double has not all digits of those with 64 bits. */
  get decoded(): string {
    return this.fields ? prettyJson(this.text) : this.text
  }

  /** Null where it is no JSON object. */
  get fields(): Readonly<Record<string, unknown>> | null {
    if (this.#fields === undefined) this.#fields = fieldsOf(this.text)
    return this.#fields
  }
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | null {
  if (!text.startsWith('{')) return null
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
}

/** ECMAScript, "JSON.parse source text access", which TypeScript does not know yet, nor every browser. */
interface SourceAccess {
  rawJSON?(text: string): unknown
  parse(text: string, reviver: (name: string, value: unknown, context?: { readonly source?: string }) => unknown): unknown
}

function prettyJson(text: string): string {
  const access = JSON as unknown as SourceAccess
  const value = access.parse(text, (_name, each, { source } = {}) =>
    typeof each === 'number' && source !== undefined && access.rawJSON ? access.rawJSON(source) : each,
  )
  return JSON.stringify(value, null, 2)
}
