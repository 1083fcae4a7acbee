import { z } from 'zod'
import { GAP_REASONS } from '../record/record.ts'
import { duration } from '../runtime/units.ts'

const sourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*(\/[a-z0-9][a-z0-9-]*)?$/, 'is no source: write compressor-1 or plant-a-1/compressor-1')

const value = z.union([z.record(z.string(), z.unknown()), z.string(), z.null()], 'has to be a mapping of fields, or text')

const gap = z.strictObject({
  records: z.int().min(0).describe('How many records are missing.'),
  from: z.iso.datetime().default('2026-01-01T00:00:00Z').describe('When the first of them was read.'),
  to: z.iso.datetime().default('2026-01-01T00:00:00Z').describe('When the last of them was read.'),
  reason: z.enum(GAP_REASONS).default('buffer_full').describe('Why.'),
})

const testRecord = z
  .strictObject({
    source: sourceName.describe('The source that it is of, with or without a gateway.'),
    at: duration().optional().describe('Its time, from the start of the test on.'),
    from: duration().optional().describe('A series instead: the time of its first record …'),
    to: duration().optional().describe('… the time before which its last one lies …'),
    every: duration({ min: '1ms' }).optional().describe('… and the time from one to the next.'),
    arrives: duration().optional().describe('When it arrives, where that is later than its time.'),
    value: value.optional().describe('Its value: fields, or text as a device would send it. Null is a placeholder.'),
    gap: gap.optional().describe('What it says is missing before it.'),
  })
  .superRefine(({ at, from, to, every, arrives, value }, context) => {
    const isSeries = from !== undefined && to !== undefined && every !== undefined
    const hasPart = from !== undefined || to !== undefined || every !== undefined
    if ((at !== undefined) === hasPart || (hasPart && !isSeries))
      context.addIssue({ code: 'custom', message: 'needs either `at`, or `from`, `to` and `every`' })
    if (hasPart && arrives !== undefined)
      context.addIssue({ code: 'custom', message: 'of a series arrives in time', path: ['arrives'] })
    if (value === undefined) context.addIssue({ code: 'custom', message: 'needs a `value`' })
  })

const expectedAlert = z.strictObject({
  analyser: z.string().describe('Name of the analyser.'),
  source: sourceName.optional().describe('The source that it is about; none where it is about all together.'),
  state: z.enum(['raised', 'cleared', 'noted']).default('raised').describe('What is said of it.'),
  at: duration().describe('Its time, from the start of the test on.'),
  values: z.record(z.string(), z.number()).optional().describe('Values that it has to have, beside others.'),
})

const expectedRecord = z.strictObject({
  at: duration().describe('Its time, from the start of the test on.'),
  value: z.record(z.string(), z.unknown()).describe('Fields that it has to have, beside others.'),
})

/** One test of a pipeline: records in, with their times; alerts and derived records out. */
export const analyserTest = z.strictObject({
  start: z.iso
    .datetime()
    .default('2026-01-01T00:00:00Z')
    .describe('When it begins; windows go by the hour and the minute of the clock, so that this is a round time.'),
  analysers: z.array(z.string()).min(1).optional().describe('Which analysers are tested; all, unless set.'),
  records: z.array(testRecord).describe('What arrives.'),
  until: duration().optional().describe('Up to when the clock goes on after the last record.'),
  alerts: z.array(expectedAlert).default([]).describe('All alerts that have to be raised, and no others.'),
  streams: z
    .record(z.string(), z.array(expectedRecord))
    .default({})
    .describe('All records that the derived streams named here have to have, and no others.'),
})
export type AnalyserTest = z.output<typeof analyserTest>

export const analyserTests = z.record(z.string().min(1), analyserTest)

/** A file of tests beside a pipeline: `cold-store.test.yaml` for `cold-store.yaml`. */
export const testFileSchema = z.strictObject({
  pipeline: z.string().min(1).optional().describe('The pipeline file; the one that this file is named after, unless set.'),
  tests: analyserTests.describe('Tests, by what they say.'),
})
