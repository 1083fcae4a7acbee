import type { RecordHeader } from '../../record/record.ts'
import { type ExactNumbers, exactNumbersIn, withExactNumbers } from './exact-numbers.ts'

const BRACE = 0x7b

export type FieldValues = Readonly<Record<string, unknown>>

/** A record on its way through the steps. Its bytes are taken apart only when a step asks for a field, and put together only when one changed it. */
export class Flowing {
  readonly timeMs: number
  readonly headers: readonly RecordHeader[] | undefined
  /** Where the source goes on behind this record; `null`: it belongs together with the one that follows. */
  readonly bookmark: string | null | undefined
  #bytes: Buffer | undefined
  /** `null`: there are none. */
  #fields: FieldValues | null | undefined
  /** Numbers of the fields that are not what they were written as. */
  #exact: ExactNumbers | undefined

  private constructor(facts: {
    timeMs: number
    headers?: readonly RecordHeader[] | undefined
    bookmark?: string | null | undefined
    bytes?: Buffer
    fields?: FieldValues | null
    exact?: ExactNumbers | undefined
  }) {
    this.timeMs = facts.timeMs
    this.headers = facts.headers
    this.bookmark = facts.bookmark
    this.#bytes = facts.bytes
    this.#fields = facts.fields
    this.#exact = facts.exact
  }

  static ofBytes(
    bytes: Buffer,
    timeMs: number,
    headers?: readonly RecordHeader[] | undefined,
    bookmark?: string | null | undefined,
  ): Flowing {
    return new Flowing({ bytes, timeMs, headers, bookmark })
  }

  static ofFields(fields: FieldValues, timeMs: number, bookmark?: string | null | undefined): Flowing {
    return new Flowing({ fields, timeMs, bookmark })
  }

  /** The record's fields, where its value is a JSON object. */
  get fields(): FieldValues | undefined {
    if (this.#fields === undefined) this.#parse(this.bytes)
    return this.#fields ?? undefined
  }

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(this.#exact ? withExactNumbers(this.#fields, this.#exact) : JSON.stringify(this.#fields))
    return this.#bytes
  }

  withFields(fields: FieldValues): Flowing {
    return new Flowing({ timeMs: this.timeMs, headers: this.headers, bookmark: this.bookmark, fields, exact: this.#exact })
  }

  withBytes(bytes: Buffer): Flowing {
    return new Flowing({ timeMs: this.timeMs, headers: this.headers, bookmark: this.bookmark, bytes })
  }

  withBookmark(bookmark: string | null | undefined): Flowing {
    const { timeMs, headers } = this
    const value = this.#bytes ? { bytes: this.#bytes } : {}
    const fields = this.#fields !== undefined && { fields: this.#fields, exact: this.#exact }
    return new Flowing({ timeMs, headers, bookmark, ...value, ...fields })
  }

  #parse(bytes: Buffer): void {
    this.#fields = null
    if (bytes[0] !== BRACE) return
    const text = bytes.toString('utf8')
    try {
      this.#fields = JSON.parse(text) as FieldValues
      this.#exact = exactNumbersIn(text)
    } catch {
      // No JSON: it has no fields.
    }
  }
}
