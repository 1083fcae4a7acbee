import { z } from 'zod'

export const FIELD_TYPES = ['number', 'text', 'boolean', 'other'] as const

/** What is known of a field of a source's records, where something is. */
const facts = {
  type: z.enum(FIELD_TYPES).optional().describe('What its values are.'),
  unit: z.string().max(40).optional().describe('In which unit, such as "°C" or kWh.'),
  description: z.string().max(400).optional().describe('What it is, for people.'),
}
export const fieldFacts = z.strictObject(facts)
export type FieldFacts = z.output<typeof fieldFacts>

/** The fields of a source's records, by name; `status` and the registry show them. */
export type Fields = Readonly<Record<string, FieldFacts>>

/** More fields than a registry entry should carry. */
export const FIELDS_MAX = 500
export const fieldName = z.string().min(1).max(200)

/** `fields:` of a source in a pipeline file. */
export const fieldsOptions = z
  .record(fieldName, fieldFacts)
  .refine(fields => Object.keys(fields).length <= FIELDS_MAX, `may name at most ${FIELDS_MAX} fields`)

/** What somebody says of a field goes before what is known of it anyway. */
export function withDeclared(known: Fields, declared: Fields): Fields {
  const names = [...new Set([...Object.keys(known), ...Object.keys(declared)])].slice(0, FIELDS_MAX)
  return Object.fromEntries(names.map(name => [name, { ...known[name], ...declared[name] }]))
}

/** What the registry keeps of one source's fields, in bytes of JSON: it is read whole by every core. */
const FIELDS_BYTES_MAX = 32 * 1024

/** As many of the fields, in their order, as a registry entry carries. */
export function fieldsForRegistry(fields: Fields): Fields {
  if (Buffer.byteLength(JSON.stringify(fields)) <= FIELDS_BYTES_MAX) return fields
  const kept: [string, FieldFacts][] = []
  let bytes = '{}'.length
  for (const entry of Object.entries(fields)) {
    bytes += Buffer.byteLength(JSON.stringify(Object.fromEntries([entry])))
    if (bytes > FIELDS_BYTES_MAX) break
    kept.push(entry)
  }
  return Object.fromEntries(kept)
}

/** Fields as a peer of another version tells them: what this one does not know of a field is left out. */
export const toldFields = z
  .record(
    fieldName,
    z.object({
      type: facts.type.catch(undefined),
      unit: facts.unit.catch(undefined),
      description: facts.description.catch(undefined),
    }),
  )
  .refine(fields => Object.keys(fields).length <= FIELDS_MAX)
  .transform((fields): Fields => fieldsForRegistry(fields))
