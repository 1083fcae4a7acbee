import { z } from 'zod'
import { type FieldFacts, fieldName } from '../../record/fields.ts'
import { defineStep } from './step.ts'

const PARTS_MAX = 100
const SLASH = '/'
const TEXT: FieldFacts = { type: 'text' }

const header = z.string().min(1).max(200)

export const fromHeaders = defineStep({
  kind: 'from_headers',
  summary:
    'Adds fields with what stands in headers of the record, such as { topic: mqtt_topic }, or { room: { header: mqtt_topic, part: 2 } } for what stands between its first and second /.',
  options: z.record(
    fieldName,
    z.union(
      [
        header,
        z.strictObject({
          header: header.describe('Its name, such as mqtt_topic, or the file of a directory.'),
          part: z.int().min(1).max(PARTS_MAX).describe('Which of the parts between its slashes, from 1.'),
        }),
      ],
      'has to be the name of a header, or { header: …, part: … }',
    ),
  ),
  fields: (chosen, before) => ({ ...before, ...Object.fromEntries(Object.keys(chosen).map(name => [name, TEXT])) }),
  open: (chosen, context) => {
    const wanted = Object.entries(chosen).map(([field, from]) => ({
      field,
      ...(typeof from === 'string' ? { header: from } : from),
    }))
    return {
      take: record => {
        if (!record.fields) {
          context.unread()
          context.pass(record)
          return
        }
        const added = wanted.map(({ field, header: key, ...more }) => {
          const text = record.headers?.find(each => each.key === key)?.value.toString('utf8')
          return [field, ('part' in more && more.part !== undefined ? text?.split(SLASH)[more.part - 1] : text) ?? null] as const
        })
        // A header that is not there is a field that is null: whoever reads it sees that it was looked for.
        context.pass(record.withFields({ ...record.fields, ...Object.fromEntries(added) }))
      },
    }
  },
})
