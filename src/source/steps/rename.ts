import { z } from 'zod'
import { fieldName } from '../../record/fields.ts'
import { defineStep } from './step.ts'

function renamed<Value>(values: Readonly<Record<string, Value>>, names: Readonly<Record<string, string>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [Object.hasOwn(names, name) ? (names[name] as string) : name, value]),
  )
}

export const rename = defineStep({
  kind: 'rename',
  summary: 'Gives fields other names: { old: new }.',
  options: z
    .record(fieldName, fieldName)
    .refine(names => new Set(Object.values(names)).size === Object.keys(names).length, 'gives two fields the same name'),
  fields: (names, before) => renamed(before, names),
  open: (names, context) => ({
    take: record => {
      if (!record.fields) context.unread()
      context.pass(record.fields ? record.withFields(renamed(record.fields, names)) : record)
    },
  }),
})
