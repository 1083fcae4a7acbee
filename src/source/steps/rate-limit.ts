import { z } from 'zod'
import { duration } from '../../runtime/units.ts'
import { defineStep } from './step.ts'

export const rateLimit = defineStep({
  kind: 'rate_limit',
  summary: 'Keeps at most so many records in a time; what comes too fast is left out and counted.',
  options: z.strictObject({
    records: z.int().min(1).max(10_000_000).describe('How many records are kept'),
    per: duration({ min: '1ms', max: '1d' }).default(1_000).describe('in so long. So many may also come at once.'),
  }),
  open: ({ records, per }, { clock, ...context }) => {
    // A bucket that fills evenly; a full one is a burst.
    let left = records
    let filledMs = clock.monotonicMs()
    return {
      take: record => {
        const nowMs = clock.monotonicMs()
        left = Math.min(records, left + ((nowMs - filledMs) / per) * records)
        filledMs = nowMs
        if (left < 1) {
          context.withhold()
          return
        }
        left -= 1
        context.pass(record)
      },
    }
  },
})
