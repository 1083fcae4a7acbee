import { z } from 'zod'
import { fieldName } from '../../record/fields.ts'
import { duration } from '../../runtime/units.ts'
import type { FieldValues } from './flowing.ts'
import { defineStep } from './step.ts'

/** Whether a value is far enough from the last one that went on. */
function differs(value: unknown, last: unknown, band: number): boolean {
  if (typeof value === 'number' && typeof last === 'number') {
    if (band === 0) return value !== last
    // 20.2 − 20.1 is a little less than 0.1.
    const noise = Number.EPSILON * Math.max(Math.abs(value), Math.abs(last))
    return Math.abs(value - last) + noise >= band
  }
  return JSON.stringify(value) !== JSON.stringify(last)
}

export const changes = defineStep({
  kind: 'changes',
  summary: 'Keeps a record only when one of these fields has changed enough since the last one that was kept (deadband).',
  options: z.strictObject({
    fields: z
      .record(fieldName, z.number().min(0))
      .refine(fields => Object.keys(fields).length > 0, 'names no field: such as { temp_c: 0.5 }')
      .describe('By how much each has to change, such as { temp_c: 0.5, state: 0 }; 0: any change, of whatever type.'),
    at_least_every: duration({ min: '1ms', max: '365d' })
      .optional()
      .describe('A record is kept after so long (by its time) even where nothing has changed.'),
  }),
  open: ({ fields: bands, at_least_every: everyMs }, context) => {
    let last: FieldValues | undefined
    let lastMs = 0
    return {
      take: record => {
        const { fields, timeMs } = record
        if (!fields) {
          context.unread()
          context.pass(record)
          return
        }
        const before = last
        const isDue = everyMs !== undefined && Math.abs(timeMs - lastMs) >= everyMs
        if (before && !isDue && !Object.entries(bands).some(([name, band]) => differs(fields[name], before[name], band))) {
          context.withhold()
          return
        }
        last = fields
        lastMs = timeMs
        context.pass(record)
      },
    }
  },
})
