import { normalize } from 'node:path'
import { validateDetailed } from 'node-cron'
import { z } from 'zod'
import { FIELDS_MAX, fieldName } from '../../record/fields.ts'
import { duration } from '../../runtime/units.ts'
import { unknownIn } from './placeholders.ts'

const sourceGlob = z
  .string()
  .regex(/^[a-z0-9*?-]+(\/[a-z0-9*?-]+)?$/, 'is not a source glob, such as compressor-* or plant-a-1/meter-?')

const cronPattern = z.string().superRefine((pattern, context) => {
  const { valid, errors } = validateDetailed(pattern)
  if (valid) return
  const [first] = errors
  const message = `"${pattern}" is not a cron pattern${first ? `: ${cronComplaint(first.field, first.message)}` : ''}; write for example "0 2 * * *"`
  context.addIssue({ code: 'custom', message })
})

/** What node-cron says, as a person reads it. */
function cronComplaint(field: string, message: string): string {
  const name = field.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
  const value = /^(.*) is an? invalid expression for /.exec(message)?.[1]
  return value === undefined ? message : `"${value}" is no ${name}`
}

const timeZone = z.string().superRefine((name, context) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
  } catch {
    context.addIssue({ code: 'custom', message: `"${name}" is no time zone; write for example Europe/London` })
  }
})

/** A path in which placeholders may stand; what looks like one and is none is a mistake here, unlike in a command's arguments. */
const placeholderPath = z
  .string()
  .min(1)
  .superRefine((path, context) => {
    const [unknown] = unknownIn(path)
    if (unknown === undefined) return
    const message = `{${unknown}} is no placeholder; there are {run_id}, {job}, {pipeline}, {date}, {source}, {gateway} and those of docs/batch.md`
    context.addIssue({ code: 'custom', message })
  })

/** A path of its own for each run: two runs in one directory would mix. */
const runDirectory = placeholderPath.refine(
  path => path.includes('{run_id}') || /\{date[^}]*\}/.test(path),
  'needs {run_id} or {date} in it: every run has a directory of its own',
)

export const INPUT_FORMATS = ['ndjson', 'csv', 'raw'] as const

/** What a command exits with when a record of its input is bad for good: EX_DATAERR of sysexits.h. */
const EX_DATAERR = 65

const retryOptions = z.strictObject({
  attempts: z.int().min(1).max(100).default(3).describe('How often the command is started, at the most.'),
  first_wait: duration({ min: '1ms', max: '1d' })
    .default(30_000)
    .describe('Wait before the second attempt; it doubles with each.'),
  longest_wait: duration({ min: '1ms', max: '1d' }).default(1_800_000).describe('No wait is longer.'),
})

const waitOptions = z.strictObject({
  within: duration({ max: '30d' })
    .default(0)
    .describe('Every source has to have a record that is no older than this, seen from when the run is due.'),
  at_most: duration({ min: '1s', max: '7d' }).describe('Then the run begins all the same, and says which sources are missing.'),
})

const jobOptions = z.strictObject({
  schedule: cronPattern.optional().describe('When it runs, as a cron pattern; without one it runs only by `headrace batch run`.'),
  timezone: timeZone.default('UTC').describe('Time zone of the schedule, by its IANA name.'),
  catch_up: z
    .enum(['once', 'each', 'no'])
    .default('once')
    .describe(
      'Runs missed while the core was down: `once` reads all that is there in one run; `each` runs one by one, each up to when it was due; `no` leaves them to the next.',
    ),
  wait_for: waitOptions.optional().describe('Waits until every source has data up to when the run is due.'),
  sources: z
    .array(sourceGlob)
    .min(1)
    .default(['*'])
    .describe("Which of the pipeline's sources it reads, as globs; a derived stream by its whole name, analysers/<stream>."),
  input: z.enum(INPUT_FORMATS).default('ndjson').describe('How records are written for the command.'),
  columns: z
    .array(fieldName)
    .min(1)
    .max(FIELDS_MAX)
    .optional()
    .describe(
      'The fields that `input: csv` has as columns, in this order; one within another as motor.temp_c. Those known of the sources, unless set.',
    ),
  files: placeholderPath
    .optional()
    .describe(
      'Hands records over in files instead of on standard input: their path, within the run directory or absolute; with {source} in it one for each source.',
    ),
  run: z.array(z.string()).min(1).describe('The command and its arguments, started without a shell. Placeholders are filled in.'),
  cwd: placeholderPath
    .optional()
    .describe("Working directory; the pipeline file's own folder unless set. {run_dir} is the run's."),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables beside those that Headrace sets. Placeholders are filled in.'),
  stdout: z
    .string()
    .regex(/^[^/\0]+$/, 'is a file name within the run directory')
    .optional()
    .describe("File in the run directory that keeps what the command prints; the run's log keeps it unless set."),
  run_directory: runDirectory
    .optional()
    .describe(
      'Where a run that is done leaves its files and its manifest; `<state>/core/runs/<job>/<run id>` unless set. It appears whole, by rename.',
    ),
  keep_runs: z
    .int()
    .min(1)
    .max(1_000)
    .default(100)
    .describe(
      'How many runs keep their log, and their directory in the default place; older ones are deleted. A `run_directory` of your own is yours to clear.',
    ),
  time_limit: duration({ min: '1s', max: '7d' })
    .default(6 * 3_600_000)
    .describe('A run that takes longer is ended and counts as failed.'),
  retry: retryOptions.optional().describe('Starts a command that failed again, over the same ranges; once only, unless set.'),
  poison: z
    .enum(['stop', 'dead_letter'])
    .default('stop')
    .describe(
      'A record that cannot be written as `input` wants it, or that the command names as bad: fails the run, or goes to the topic `headrace.poison` with its coordinates while the run goes on without it.',
    ),
  poison_exit_code: z
    .int()
    .min(1)
    .max(255)
    .default(EX_DATAERR)
    .describe('With this exit code the command says that the records it named in $HEADRACE_POISON_FILE are bad.'),
  on_failure: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('A command that is started when a run has failed for good; it reads the run as JSON on its standard input.'),
  run_when_empty: z.boolean().default(false).describe('Whether a run without new records starts the command all the same.'),
})

/** What Headrace itself writes into a run's directory. */
const OWN_FILES: readonly string[] = ['ranges.json', 'fields.json', 'manifest.json']

/** A batch job in a pipeline file: `batch: { nightly-load: { … } }`. */
export const batchJobOptions = jobOptions
  .refine(({ input, columns }) => columns === undefined || input === 'csv', { error: 'are for `input: csv`', path: ['columns'] })
  .superRefine(({ files, stdout }, context) => {
    const inDirectory = files === undefined ? undefined : normalize(files.replace(/^\{run_dir\}\//, ''))
    const issue = (key: string, message: string) => context.addIssue({ code: 'custom', message, path: [key] })
    if (inDirectory?.split('/').includes('..'))
      issue('files', 'leads out of the run directory: write where it is to be from there, or an absolute path')
    if (inDirectory !== undefined && OWN_FILES.includes(inDirectory)) issue('files', `${inDirectory} is a file of Headrace's own`)
    if (stdout !== undefined && OWN_FILES.includes(stdout)) issue('stdout', `${stdout} is a file of Headrace's own`)
    // The command would find its input empty, and end well.
    if (stdout !== undefined && stdout === inDirectory) issue('stdout', `${stdout} is where the records are (\`files\`)`)
  })
export type BatchJobOptions = z.output<typeof batchJobOptions>
