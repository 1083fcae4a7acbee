import { z } from 'zod'
import { fieldName } from '../../record/fields.ts'
import { reckoned } from '../digits.ts'
import { defineStep } from './step.ts'

const scaling = z.strictObject({
  factor: z.number().default(1).describe('The value is multiplied by it.'),
  offset: z.number().default(0).describe('Then this is added.'),
  decimals: z.int().min(0).max(12).optional().describe('Rounded to so many decimals.'),
  unit: z.string().max(40).optional().describe('The unit that comes out; `status` shows it.'),
})
type Scaling = z.output<typeof scaling>

function scaled(value: number, { factor, offset, decimals }: Scaling): number {
  const result = reckoned(value * factor + offset)
  return decimals === undefined ? result : Number(result.toFixed(decimals))
}

export const scale = defineStep({
  kind: 'scale',
  summary: 'Turns numbers into another unit: multiplied by a factor, with an offset added.',
  options: z.record(fieldName, scaling),
  fields: (scalings, before) => {
    const changed = Object.entries(scalings).map(([name, { unit }]) => {
      const { unit: _old, ...facts } = before[name] ?? {}
      return [name, { ...facts, type: 'number' as const, ...(unit !== undefined && { unit }) }]
    })
    return { ...before, ...Object.fromEntries(changed) }
  },
  open: (scalings, context) => ({
    take: record => {
      const { fields } = record
      const changed: Record<string, unknown> = {}
      for (const [name, how] of Object.entries(scalings)) {
        const value = fields?.[name]
        if (typeof value === 'number') changed[name] = scaled(value, how)
      }
      if (Object.keys(changed).length === 0) {
        context.unread()
        context.pass(record)
      } else context.pass(record.withFields({ ...fields, ...changed }))
    },
  }),
})
