import type { Fields } from '../record/fields.ts'

/** The first fields with their units, as a person reads them: `oil_c (°C), state, and 3 more`. */
export function fieldsText(fields: Fields, shownMax: number): string {
  const named = Object.entries(fields).map(([name, { unit }]) => (unit === undefined ? name : `${name} (${unit})`))
  const more = named.length - shownMax
  return [...named.slice(0, shownMax), ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
