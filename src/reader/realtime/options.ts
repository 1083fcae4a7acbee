import { z } from 'zod'
import { anomaly } from '../../analyser/anomaly.ts'
import { condition } from '../../analyser/condition.ts'
import { drift } from '../../analyser/drift.ts'
import { gap } from '../../analyser/gap.ts'
import { moduleKind } from '../../analyser/module.ts'
import { silence } from '../../analyser/silence.ts'
import { fieldsOptions } from '../../record/fields.ts'
import { NAME_PATTERN, NAME_RULE } from '../../runtime/names.ts'

const sourceGlob = z
  .string()
  .regex(/^[a-z0-9*?-]+(\/[a-z0-9*?-]+)?$/, 'is not a source glob, such as compressor-* or plant-a-1/meter-?')

const topicName = z.string().regex(/^[a-zA-Z0-9._-]{1,249}$/, 'is no topic: letters, digits, . _ and -')

const amqpAddress = z
  .string()
  .regex(/^amqps?:\/\/[^\s/?#@]+\/[^\s?#]+$/, 'is no AMQP address: write amqp://host:port/address, and no password in it')

const file = z.string().min(1)

const amqpTarget = z
  .strictObject({
    address: amqpAddress.describe('amqp://host:port/address, or amqps://…'),
    username: z.string().min(1).optional().describe('Logs in with SASL PLAIN.'),
    password_file: file.optional().describe("File whose first line is the password; from the pipeline file's folder."),
    tls: z
      .strictObject({
        ca: file.optional().describe('File of the authorities that sign the peer, PEM; those of the system, unless set.'),
        cert: file.optional().describe('File of the certificate to show, PEM.'),
        key: file.optional().describe('File of the key that belongs to `cert`, PEM.'),
      })
      .optional()
      .describe('Certificates, for amqps.'),
  })
  .refine(({ username, password_file }) => (username === undefined) === (password_file === undefined), {
    error: 'a log-in needs both: username and password_file',
    path: ['username'],
  })
  .refine(({ tls }) => (tls?.cert === undefined) === (tls?.key === undefined), {
    error: 'a certificate needs both: cert and key',
    path: ['tls'],
  })
  .refine(({ address, tls }) => tls === undefined || address.startsWith('amqps:'), {
    error: 'is for amqps://, and the address is amqp://',
    path: ['tls'],
  })
export type AmqpTarget = z.output<typeof amqpTarget>

export const alertOptions = z
  .strictObject({
    command: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('A command, started without a shell; it reads the alert as JSON on its standard input.'),
    webhook: z
      .url({ protocol: /^https?$/, error: 'is no address of the web: write http://… or https://…' })
      .optional()
      .describe('An address to which the alert is posted as JSON; the header Idempotency-Key tells a repeat.'),
    topic: topicName
      .optional()
      .describe(
        'A topic to which the alert is written as JSON; the analyser has a partition of its own there. Not on a gateway.',
      ),
    amqp: z
      .union([amqpAddress, amqpTarget])
      .optional()
      .describe(
        'An AMQP 1.0 address to which the alert is sent as JSON, durable; the application property `key` tells a repeat. With a log-in or certificates: `{ address, username, password_file, tls }`.',
      ),
  })
  .refine(
    alert => Object.values(alert).some(sink => sink !== undefined),
    'needs a command, a webhook, a topic or an AMQP address (amqp)',
  )
export type AlertOptions = z.output<typeof alertOptions>

const common = {
  sources: z
    .array(sourceGlob)
    .min(1)
    .default(['*'])
    .describe(
      "Which of the pipeline's sources it watches, as globs; a derived stream is watched by its whole name, analysers/<stream>.",
    ),
  alert: alertOptions.optional().describe('Where alerts go; they are always shown in the log and in `status`.'),
  on: z
    .enum(['core', 'gateway', 'both'])
    .default('core')
    .describe(
      'Where it runs: on the core, over the log; on each gateway, over what it reads, also while the core is away; or on both.',
    ),
}

const per = z
  .enum(['source', 'all'])
  .default('source')
  .describe('Whether each source is watched for itself, or all of them together.')

const stream = z
  .strictObject({
    name: z.string().regex(NAME_PATTERN, NAME_RULE).describe('Its name: the records are those of the source analysers/<name>.'),
    topic: topicName.optional().describe("The topic; the pipeline's, unless set."),
    fields: fieldsOptions
      .optional()
      .describe("What is known of its records' fields, as `fields` of a source; goes before what follows from the expressions."),
  })
  .optional()
  .describe('Makes records of what it finds: a derived stream, which is a source of its own with a partition of its own.')

const WITHOUT_STREAM = 'are the fields of a derived stream: name it with `stream: { name: … }`'

/** An analyser in a pipeline file: `analysers: { oil-too-hot: { … } }`; its kind is told by its keys. */
export const analyserOptions = z.union(
  [
    condition.options
      .safeExtend({ ...common, per, stream })
      .refine(options => options.values === undefined || options.stream !== undefined, {
        error: WITHOUT_STREAM,
        path: ['values'],
      }),
    silence.options.extend(common),
    gap.options.extend(common),
    drift.options.extend(common),
    anomaly.options.extend(common),
    moduleKind.options.extend({ ...common, per, stream }),
  ],
  'does not say what it looks for: `when` (with `every` or `window`, unless it is of each record), `values`, `silence`, `gap`, `drift`, `anomaly` or `module`',
)
export type AnalyserOptions = z.output<typeof analyserOptions>
