import { z } from 'zod'
import type { FieldValues } from './flowing.ts'
import { defineStep } from './step.ts'

/** Fields that one record may have afterwards; one with more goes on as it came. */
const FIELDS_MAX = 5_000
/** Mappings within mappings; deeper ones stay as they are. */
const DEPTH_MAX = 32

/** Fields of mappings, and of mappings in them, with their names joined; undefined where there are too many, or two of one name. Lists stay as they are: `split` is for them. */
function flat(fields: FieldValues, joint: string): FieldValues | undefined {
  const found: [string, unknown][] = []
  const walk = (within: FieldValues, prefix: string, depth: number): boolean =>
    Object.entries(within).every(([name, value]) => {
      const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
      if (isMapping && depth < DEPTH_MAX) return walk(value as FieldValues, `${prefix}${name}${joint}`, depth + 1)
      found.push([`${prefix}${name}`, value])
      return found.length <= FIELDS_MAX
    })
  const isWhole = walk(fields, '', 1) && new Set(found.map(([name]) => name)).size === found.length
  return isWhole ? Object.fromEntries(found) : undefined
}

export const flatten = defineStep({
  kind: 'flatten',
  summary:
    'Makes fields of what stands in mappings: { energy: { power_w: 5 } } becomes { energy_power_w: 5 }, so that other steps can name it. Lists stay as they are. A record of which two fields would have one name goes on as it came, and is counted.',
  options: z.strictObject({
    joint: z.string().max(8).default('_').describe('What stands between the names, such as "_" or ".".'),
  }),
  fields: (_options, before) => before,
  open: ({ joint }, context) => ({
    take: record => {
      const { fields } = record
      const found = fields && flat(fields, joint)
      if (!found) context.unread()
      context.pass(found ? record.withFields(found) : record)
    },
  }),
})
