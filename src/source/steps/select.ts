import { z } from 'zod'
import { fieldName } from '../../record/fields.ts'
import { defineStep } from './step.ts'

export const select = defineStep({
  kind: 'select',
  summary: 'Keeps these fields of each record, in this order, and leaves out the others.',
  options: z.array(fieldName).min(1).max(500),
  fields: (names, before) => Object.fromEntries(names.map(name => [name, before[name] ?? {}])),
  open: (names, context) => ({
    take: record => {
      const { fields } = record
      if (!fields) {
        context.unread()
        context.pass(record)
        return
      }
      const kept = names.filter(name => Object.hasOwn(fields, name)).map(name => [name, fields[name]] as const)
      context.pass(record.withFields(Object.fromEntries(kept)))
    },
  }),
})
