import { z } from 'zod'
import { duration } from '../../runtime/units.ts'
import { defineStep } from './step.ts'

export const sample = defineStep({
  kind: 'sample',
  summary: 'Keeps one record in so many, or the first one in each span of time; the others are left out and counted.',
  options: z
    .strictObject({
      one_in: z.int().min(1).max(1_000_000_000).optional().describe('One record in so many is kept, the first of them.'),
      every: duration({ min: '1ms', max: '365d' })
        .optional()
        .describe('The first record in each span of this length is kept, by its time.'),
    })
    .refine(options => (options.one_in === undefined) !== (options.every === undefined), 'needs either `one_in` or `every`'),
  open: ({ one_in: oneIn = 1, every }, context) => {
    let count = 0
    let span: number | undefined
    const isWanted = (timeMs: number) => {
      if (every === undefined) return count++ % oneIn === 0
      const own = Math.floor(timeMs / every)
      if (own === span) return false
      span = own
      return true
    }
    return {
      take: record => {
        if (isWanted(record.timeMs)) context.pass(record)
        else context.withhold()
      },
    }
  },
})
