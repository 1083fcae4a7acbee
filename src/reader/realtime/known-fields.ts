import type { FieldFacts, Fields } from '../../record/fields.ts'

/** Of a source of which nothing is known. */
export const NO_FIELDS: Fields = {}

/** What is known of the fields of the sources that one watch sees. */
export class KnownFields {
  readonly #bySource = new Map<string, Fields>()

  know(source: string, fields: Fields): void {
    this.#bySource.set(source, fields)
  }

  /** Type and unit of a field, where every source that is known to have it says the same: °C and °F have no average. */
  readonly factsOf = (field: string): FieldFacts => {
    const facts = [...this.#bySource.values()].map(fields => fields[field]).filter(each => each !== undefined)
    const [first] = facts
    const { type, unit } = first ?? {}
    return {
      ...(type !== undefined && facts.every(each => each.type === type) && { type }),
      ...(unit !== undefined && facts.every(each => each.unit === unit) && { unit }),
    }
  }

  /** The unit of a field, where it has one for all of them. */
  readonly unitOf = (field: string): string | undefined => this.factsOf(field).unit
}
