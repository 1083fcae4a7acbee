import type { Fields } from '../../record/fields.ts'

/** Of a source of which nothing is known. */
export const NO_FIELDS: Fields = {}

/** What is known of the fields of the sources that one watch sees. */
export class KnownFields {
  readonly #bySource = new Map<string, Fields>()

  know(source: string, fields: Fields): void {
    this.#bySource.set(source, fields)
  }

  /** The unit of a field, where every source that is known to have it says the same one: °C and °F have no average. */
  readonly unitOf = (field: string): string | undefined => {
    const facts = [...this.#bySource.values()].map(fields => fields[field]).filter(each => each !== undefined)
    const [first] = facts
    return facts.every(({ unit }) => unit === first?.unit) ? first?.unit : undefined
  }
}
