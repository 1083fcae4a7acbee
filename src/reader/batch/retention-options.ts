import { z } from 'zod'
import { duration, size } from '../../runtime/units.ts'

/** `retention:` in a pipeline file. */
export const retentionOptions = z
  .strictObject({
    age: duration({ min: '1m' }).optional().describe('Records are deleted when they have been in the log for this long.'),
    size: size({ min: '1MiB' })
      .optional()
      .describe("The pipeline's records take about this much in the log, over all its sources; the oldest of each go first."),
    unread: z
      .enum(['keep', 'delete'])
      .default('keep')
      .describe(
        "Whether records that one of the pipeline's batch jobs has not read outlast these limits. An alarm says when its backlog comes near them.",
      ),
  })
  .refine(options => options.age !== undefined || options.size !== undefined, 'needs `age`, `size`, or both')
export type RetentionOptions = z.output<typeof retentionOptions>
