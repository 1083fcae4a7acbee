import { z } from 'zod'
import { type FieldFacts, fieldName } from '../../record/fields.ts'
import { defineStep } from './step.ts'

const TYPES: Readonly<Record<string, FieldFacts['type']>> = { string: 'text', number: 'number', boolean: 'boolean' }

export const constants = defineStep({
  kind: 'constants',
  summary: 'Adds fields that are the same in every record, such as { site: north, line: 3 }; a field of that name is replaced.',
  options: z.record(
    fieldName,
    z.union([z.string().max(1_000), z.number(), z.boolean()], 'has to be text, a number, true or false'),
  ),
  fields: (values, before) => ({
    ...before,
    ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { type: TYPES[typeof value] ?? 'other' }])),
  }),
  open: (values, context) => ({
    take: record => {
      if (!record.fields) context.unread()
      context.pass(record.fields ? record.withFields({ ...record.fields, ...values }) : record)
    },
  }),
})
