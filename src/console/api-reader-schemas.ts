import { z } from 'zod'

const whole = z.number()
const maybe = z.number().nullable()

export const pipelineSchema = z.looseObject({
  pipeline: z.string(),
  topic: z.string(),
  sources: z.array(z.looseObject({ source: z.string(), kind: z.string() })),
  jobs: z.array(
    z.looseObject({
      job: z.string(),
      sources: z.array(z.string()).describe('Globs.'),
      schedule: z.string().nullable().describe('Cron expression; null where it is run by hand.'),
      timezone: z.string(),
    }),
  ),
  analysers: z.array(z.looseObject({ analyser: z.string(), sources: z.array(z.string()).describe('Globs.') })),
})

export const jobSchema = z.looseObject({
  job: z.string(),
  next_run: z.string().nullable(),
  last_run: z
    .looseObject({
      id: z.string(),
      state: z.string(),
      ended: z.string().nullable(),
      records: whole,
      error: z.string().nullable(),
    })
    .nullable(),
  lag: maybe.describe('Records that it has not read, and that are there; null while that cannot be known.'),
  lost: whole.describe('Records that it had not read, and that the log has no more.'),
  waiting_for: z.array(z.string()).describe('Sources for which a run that is due waits.'),
  running: z.looseObject({ run: z.string(), records: whole, total: whole, records_per_second: whole }).nullable(),
})

const rangeSchema = z.looseObject({
  source: z.string(),
  topic: z.string(),
  partition: whole,
  from: whole,
  to: whole.describe('The first that is not in it.'),
})

export const runSchema = z.looseObject({
  id: z.string(),
  job: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  ranges: z.array(rangeSchema),
  started_ms: whole,
  ended_ms: maybe,
  exit_code: maybe,
  records: whole,
  placeholders: whole,
  error: z.string().nullable(),
  kind: z.enum(['run', 'backfill']),
  at_ms: whole.describe('The moment for which it is, ms.'),
  token: z.string(),
  attempts: whole,
  dead: whole.describe('Records set aside.'),
  missing: z.array(z.string()).describe('Sources for which it waited in vain.'),
  directory: z.string().nullable(),
  log: z.string().nullable(),
  interrupted: z.boolean(),
})

export const ranSchema = z.looseObject({
  outcome: z.enum(['done', 'failed', 'empty']).describe('`empty`: there was nothing new to read.'),
  run: runSchema.optional(),
  sources: whole.optional().describe('Where there was nothing to read: how many sources of the log it reads.'),
})

export const offsetSchema = z.looseObject({
  source: z.string(),
  topic: z.string(),
  partition: whole,
  offset: whole.describe('The first that it has not read.'),
  end: whole,
  lag: whole,
  lost: whole.describe('Of what it has not read, records that the log has no more.'),
})

export const runLogSchema = z.looseObject({
  run: z.string(),
  state: z.string(),
  path: z.string(),
  bytes: whole,
  from: whole.describe('Byte of the file at which `text` begins.'),
  text: z.string(),
})

export const lossSchema = z.looseObject({ source: z.string(), first: whole, next: whole, accepted_ms: whole })

export const poisonSchema = z.looseObject({ source: z.string(), sequence: whole, run: z.string(), reason: z.string() })

/** What an analyser said. */
export const alertSchema = z.looseObject({
  key: z.string(),
  analyser: z.string(),
  pipeline: z.string(),
  source: z.string().nullable().describe('Null where it is about all sources together.'),
  state: z.enum(['raised', 'cleared', 'noted']),
  time: z.string(),
  message: z.string(),
  values: z.record(z.string(), z.number()),
  stands: z.boolean(),
  acknowledged: z.object({ by: z.string(), at: z.string(), note: z.string() }).nullable(),
  silenced_by: maybe.describe('Id of the silence.'),
})

export const silenceSchema = z.looseObject({
  id: whole,
  analyser: z.string().describe('Glob.'),
  source: z.string().describe('Glob.'),
  started: z.string(),
  until: z.string(),
  by: z.string(),
  reason: z.string(),
})

export const partitionSchema = z.looseObject({
  topic: z.string(),
  partition: whole,
  source: z.string(),
  first: maybe,
  next: maybe,
  retention: z
    .looseObject({ age_ms: maybe, size_bytes: maybe, unread: z.enum(['keep', 'delete']) })
    .nullable()
    .describe('Null: nothing is ever deleted.'),
  slowest: z
    .looseObject({ job: z.string(), offset: whole })
    .nullable()
    .describe('The batch job that has read least of it; null where none reads it.'),
})

/** A record as `tail` and a dead letter show it. */
const shownRecord = {
  seq: whole,
  time_ms: whole,
  value_base64: z.string().nullable().describe('Null: a placeholder.'),
  headers: z.record(z.string(), z.string()),
}

export const tailItemSchema = z.looseObject({ gateway: z.string(), source: z.string(), ...shownRecord })

export const letterSchema = z.looseObject({
  letter: z.string().describe('`<gateway>/<source>@<sequence>`'),
  source: z.string(),
  topic: z.string(),
  partition: whole,
  sequence: whole,
  count: whole,
  bytes: whole,
  reason: z.string(),
  at: z.string(),
})

export const openLetterSchema = letterSchema.extend({
  unreadable: z.string().nullable().describe('Why its records cannot be read.'),
  records: z.array(z.looseObject(shownRecord)),
})

export const retriedSchema = z.looseObject({
  letter: z.string(),
  source: z.string().describe('Under which the records lie now.'),
  topic: z.string(),
  partition: whole,
  appended: whole,
  already: whole.describe('Records that had been appended before.'),
})

export const forgottenSchema = z.looseObject({ outcome: z.string(), gateway: z.string(), was_connected: z.boolean() })
