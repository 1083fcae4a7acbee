import { validateDetailed } from 'node-cron'
import { z } from 'zod'
import { duration } from '../../runtime/units.ts'

const sourceGlob = z
  .string()
  .regex(/^[a-z0-9*?-]+(\/[a-z0-9*?-]+)?$/, 'is not a source glob, such as compressor-* or plant-a-1/meter-?')

const cronPattern = z.string().superRefine((pattern, context) => {
  const { valid, errors } = validateDetailed(pattern)
  if (valid) return
  const [first] = errors
  const message = `"${pattern}" is not a cron pattern${first ? `: ${first.field} ${first.message}` : ''}; write for example "0 2 * * *"`
  context.addIssue({ code: 'custom', message })
})

const timeZone = z.string().superRefine((name, context) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
  } catch {
    context.addIssue({ code: 'custom', message: `"${name}" is no time zone; write for example Europe/London` })
  }
})

export const INPUT_FORMATS = ['ndjson', 'csv', 'raw'] as const

/** A batch job in a pipeline file: `batch: { nightly-load: { … } }`. */
export const batchJobOptions = z.strictObject({
  schedule: cronPattern.optional().describe('When it runs, as a cron pattern; without one it runs only by `headrace batch run`.'),
  timezone: timeZone.default('UTC').describe('Time zone of the schedule, by its IANA name.'),
  sources: z.array(sourceGlob).min(1).default(['*']).describe("Which of the pipeline's sources it reads, as globs."),
  input: z.enum(INPUT_FORMATS).default('ndjson').describe('What the command reads on its standard input.'),
  run: z.array(z.string()).min(1).describe('The command and its arguments, started without a shell.'),
  cwd: z.string().optional().describe("Working directory; the pipeline file's own folder unless set."),
  environment: z.record(z.string(), z.string()).default({}).describe('Environment variables beside those that Headrace sets.'),
  time_limit: duration({ min: '1s', max: '7d' })
    .default(6 * 3_600_000)
    .describe('A run that takes longer is ended and counts as failed.'),
  run_when_empty: z.boolean().default(false).describe('Whether a run without new records starts the command all the same.'),
})
export type BatchJobOptions = z.output<typeof batchJobOptions>
