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

const bufferedSchema = z.looseObject({ records: z.number(), bytes: z.number(), oldest: z.string().nullable() })
const atGatewaySchema = z.looseObject({
  state: z.string(),
  reason: z.string().nullable(),
  read: z.number(),
  dropped: z.number(),
  decode_errors: z.number(),
  buffered: bufferedSchema,
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
      /** What its gateway last said of it; null where it said nothing yet. */
      at_gateway: atGatewaySchema.nullable(),
    }),
  ),
  /** What gateways last said of themselves. */
  reports: z.array(
    z.looseObject({
      gateway: z.string(),
      heard: z.string(),
      disk: z.object({ quota_bytes: z.number(), used_bytes: z.number(), written_bytes: z.number() }),
      buffered: bufferedSchema,
      alarms: z.array(alarmSchema),
    }),
  ),
  jobs: z.array(z.looseObject({ job: z.string(), next_run: z.string().nullable(), lag: z.number().nullable() })),
  analysers: z.array(z.looseObject({ analyser: z.string(), sources: z.number(), lag: z.number() })),
  alarms: z.array(alarmSchema),
})

/** What an analyser said. */
export const alertSchema = z.looseObject({
  key: z.string(),
  analyser: z.string(),
  pipeline: z.string(),
  /** Null where it is about all sources together. */
  source: z.string().nullable(),
  state: z.enum(['raised', 'cleared', 'noted']),
  time: z.string(),
  message: z.string(),
  stands: z.boolean(),
  acknowledged: z.object({ by: z.string(), at: z.string(), note: z.string() }).nullable(),
  silenced_by: z.number().nullable(),
})

export const silenceSchema = z.object({
  id: z.number(),
  analyser: z.string(),
  source: z.string(),
  started: z.string(),
  until: z.string(),
  by: z.string(),
  reason: z.string(),
})

export const partitionSchema = z.object({
  topic: z.string(),
  partition: z.number(),
  source: z.string(),
  first: z.number().nullable(),
  next: z.number().nullable(),
  /** Null: nothing is ever deleted. */
  retention: z
    .object({ age_ms: z.number().nullable(), size_bytes: z.number().nullable(), unread: z.enum(['keep', 'delete']) })
    .nullable(),
  slowest: z.object({ job: z.string(), offset: z.number() }).nullable(),
})
