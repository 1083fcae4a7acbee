import { z } from 'zod'
import { duration, size } from '../runtime/units.ts'

/** `buffer:` of a source in a pipeline file. */
export const sourceBufferOptions = z.strictObject({
  when_full: z
    .enum(['block', 'drop_oldest', 'drop_newest'])
    .optional()
    .describe(
      'What gives way when the buffer is full: the device (block), the oldest or the newest records. Unless set, what can wait blocks and what cannot drops its oldest.',
    ),
  priority: z.int().min(-100).max(100).default(0).describe('Sources of lower priority give way first.'),
  ttl: duration({ min: '1s' })
    .optional()
    .describe('Records that waited for longer than this are worth nothing any more: they are dropped, and said to be.'),
})
export type SourceBufferOptions = z.output<typeof sourceBufferOptions>

/** `buffer:` in edge.yaml. */
export const edgeBufferOptions = z.strictObject({
  quota: size({ min: '1MiB', max: '1024GiB' })
    .default(2 ** 30)
    .describe('How large the buffer may become: its database, and the file of blocks beside it.'),
  rewind: size({ max: '64GiB' })
    .default(64 * 2 ** 20)
    .describe('How much of what the core has already is kept, to be sent again should the core lose it. A part of the quota.'),
  flash_budget: size({ min: '10MB' })
    .optional()
    .describe(
      'How much may be written to the disk in a day. Records are committed as soon as that affords it, and after `durability` at the latest; more is an alarm.',
    ),
})
export type EdgeBufferConfig = z.output<typeof edgeBufferOptions>
