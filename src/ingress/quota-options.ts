import { z } from 'zod'
import { NAME_PATTERN, NAME_RULE } from '../runtime/names.ts'
import { size } from '../runtime/units.ts'

const quota = z.strictObject({
  connections: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe('Connections at once, by its certificate; past that its oldest one is closed. 16 unless set.'),
  bytes_per_second: size({ min: '1KiB' }).optional().describe('Bytes of batches, as they come.'),
  records_per_second: z.int().min(1).max(100_000_000).optional().describe('Records.'),
  partitions: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Sources, each of which has a partition; more are refused when they first come.'),
})
/** What one gateway may have; what is absent has no limit. */
export type QuotaLimits = z.output<typeof quota>

/** `quotas:` in core.yaml. */
export const quotaOptions = z.strictObject({
  default: quota.prefault({}).describe('For every gateway.'),
  gateways: z
    .record(z.string().regex(NAME_PATTERN, NAME_RULE), quota)
    .default({})
    .describe('For some, by name; what is not said there is as in `default`.'),
})
export type QuotaOptions = z.output<typeof quotaOptions>
