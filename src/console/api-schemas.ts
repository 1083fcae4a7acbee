import { z } from 'zod'

export const alarmSchema = z.looseObject({
  code: z.string(),
  source: z.string().optional(),
  since: z.string(),
  message: z.string(),
  advice: z.string(),
})

export const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), advice: z.string().optional() }),
})

/** `headrace status --json` of a gateway; further keys may come. */
export const edgeStatusSchema = z.looseObject({
  version: z.string(),
  role: z.literal('edge'),
  gateway: z.string(),
  running: z.literal(true),
  link: z.looseObject({ state: z.string(), peer: z.string().nullable(), session: z.string().nullable(), since: z.string() }),
  disk: z.looseObject({ quota_bytes: z.number(), used_bytes: z.number(), written_bytes: z.number() }),
  sources: z.array(
    z.looseObject({
      source: z.string(),
      pipeline: z.string().nullable(),
      state: z.string(),
      reason: z.string().nullable(),
      read: z.number(),
      decode_errors: z.number(),
      dropped: z.number(),
      next: z.number(),
      settled: z.number(),
      buffered: z.looseObject({ records: z.number(), bytes: z.number(), oldest: z.string().nullable() }),
      topic: z.string(),
      partition: z.number().nullable(),
    }),
  ),
  alarms: z.array(alarmSchema),
})

/** `headrace status --json` of a core; further keys may come. */
export const coreStatusSchema = z.looseObject({
  version: z.string(),
  role: z.literal('core'),
  running: z.literal(true),
  log: z.looseObject({ engine: z.string(), identity: z.string() }),
  gateways: z.array(z.looseObject({ gateway: z.string(), session: z.string(), since: z.string() })),
  sources: z.array(
    z.looseObject({
      source: z.string(),
      topic: z.string(),
      partition: z.number(),
      first: z.number().nullable(),
      next: z.number().nullable(),
      fields: z
        .record(z.string(), z.looseObject({}))
        .describe('Types and units of its records, as far as its gateway knows them.'),
      retired: z.string().nullable().describe('Since when nothing more comes of it.'),
    }),
  ),
  jobs: z.array(z.looseObject({ job: z.string(), next_run: z.string().nullable(), lag: z.number().nullable() })),
  analysers: z.array(z.looseObject({ analyser: z.string(), sources: z.number(), lag: z.number() })),
  alarms: z.array(alarmSchema),
})
