import { z } from 'zod'
import { jobSchema } from './api-reader-schemas.ts'

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

const fieldsSchema = z
  .record(
    z.string(),
    z.looseObject({ type: z.string().optional(), unit: z.string().optional(), description: z.string().optional() }),
  )
  .describe('Types and units of its records, as far as its gateway knows them.')
const quotaSchema = { bytes_per_second: z.number().nullable(), records_per_second: z.number().nullable() }
const diskSchema = { quota_bytes: z.number(), used_bytes: z.number(), written_bytes: z.number() }
const bufferedSchema = z.looseObject({ records: z.number(), bytes: z.number(), oldest: z.string().nullable() })
const atGateway = {
  state: z.string(),
  reason: z.string().nullable(),
  read: z.number(),
  dropped: z.number(),
  decode_errors: z.number(),
  buffered: bufferedSchema,
}

export const edgeSourceSchema = z.looseObject({
  source: z.string(),
  pipeline: z.string().nullable(),
  ...atGateway,
  trouble: z.record(z.string(), z.number()),
  steps: z.array(z.looseObject({ step: z.string(), taken: z.number(), withheld: z.number(), unread: z.number() })),
  fields: fieldsSchema,
  next: z.number(),
  settled: z.number(),
  topic: z.string(),
  partition: z.number().nullable(),
})

export const coreSourceSchema = z.looseObject({
  source: z.string(),
  topic: z.string(),
  partition: z.number(),
  first: z.number().nullable(),
  next: z.number().nullable(),
  fields: fieldsSchema,
  retired: z.string().nullable().describe('Since when nothing more comes of it.'),
  at_gateway: z.looseObject(atGateway).nullable().describe('What its gateway last said of it; null where it said nothing yet.'),
})

/** `headrace status --json` of a gateway; further keys may come. */
export const edgeStatusSchema = z.looseObject({
  version: z.string(),
  role: z.literal('edge'),
  gateway: z.string(),
  running: z.literal(true),
  link: z.looseObject({
    state: z.string(),
    peer: z.string().nullable(),
    session: z.string().nullable(),
    since: z.string(),
    quota: z.looseObject(quotaSchema).nullable().describe('What the core lets this gateway send.'),
  }),
  disk: z.looseObject({
    ...diskSchema,
    written_per_day_bytes: z.number().nullable().describe('At the rate of the last hour.'),
    flash_budget_bytes: z.number().nullable(),
  }),
  sources: z.array(edgeSourceSchema),
  analysers: z.array(
    z.looseObject({
      analyser: z.string(),
      state: z.string(),
      sources: z.number(),
      last_alert: z.string().nullable(),
      undelivered: z.number(),
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
  gateways: z.array(
    z.looseObject({
      gateway: z.string(),
      session: z.string(),
      since: z.string(),
      quota: z.looseObject({ ...quotaSchema, throttled: z.boolean(), throttled_ms: z.number() }).nullable(),
    }),
  ),
  sources: z.array(coreSourceSchema),
  reports: z
    .array(
      z.looseObject({
        gateway: z.string(),
        heard: z.string(),
        disk: z.looseObject(diskSchema),
        buffered: bufferedSchema,
        alarms: z.array(alarmSchema),
      }),
    )
    .describe('What gateways last said of themselves.'),
  jobs: z.array(jobSchema),
  analysers: z.array(
    z.looseObject({
      analyser: z.string(),
      pipeline: z.string(),
      state: z.string(),
      sources: z.number().describe('Those that this core watches for it.'),
      lag: z.number(),
      late: z.number(),
      cut: z.number().describe('Records that left a full sliding window before their time.'),
      last_alert: z.string().nullable(),
      undelivered: z.number(),
    }),
  ),
  analyser_shards: z.array(z.number()).describe('Shares of the analysers that this core keeps.'),
  alarms: z.array(alarmSchema),
})
