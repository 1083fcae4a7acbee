import { z } from 'zod'
import { NAME_PATTERN } from '../runtime/names.ts'
import * as readers from './api-reader-schemas.ts'
import { coreSourceSchema, coreStatusSchema, edgeSourceSchema, edgeStatusSchema } from './api-schemas.ts'
import type { UserRole } from './users.ts'

/** Which process answers: the core's calls, or those of the gateway's agent. */
export type Side = 'core' | 'edge'

/** One entry of the API: a call of the control socket, by another way. So the command line's `--json` says the same. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST'
  /** With `{name}` where a parameter stands. */
  readonly path: string
  readonly side: Side
  readonly call: string
  readonly summary: string
  readonly role: UserRole
  /** Parameters of path, query and, of a change, body: handed to the call as they are. */
  readonly parameters: z.ZodObject
  readonly answer: z.ZodType
  /** The call gives a stream: it is served as server-sent events. */
  readonly stream?: true
  /** The call keeps who asked: it is handed the user's name as `by`. */
  readonly signed?: true
}

const none = z.strictObject({})
const job = z.strictObject({
  job: z.string().min(1).max(130).describe('`<pipeline>.<job>`, or the job where its name is the only one.'),
})
const letter = z.strictObject({
  letter: z.string().min(1).max(160).describe('`<gateway>/<source>@<sequence>`, as the list has it.'),
})
const source = z.strictObject({ source: z.string().regex(NAME_PATTERN).describe('A source of this gateway.') })
/** A silence that nobody ends by hand may last for so long, ms. */
const SILENCE_MAX_MS = 90 * 86_400_000
const words = z.string().max(500).default('')
const count = z.coerce.number().int().min(0).max(10_000)

export const API_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/api/core/status',
    side: 'core',
    call: 'status',
    summary: 'What `headrace status --json` says of a core.',
    role: 'viewer',
    parameters: none,
    answer: coreStatusSchema,
  },
  {
    method: 'GET',
    path: '/api/edge/status',
    side: 'edge',
    call: 'status',
    summary: 'What `headrace status --json` says of a gateway.',
    role: 'viewer',
    parameters: none,
    answer: edgeStatusSchema,
  },
  {
    method: 'GET',
    path: '/api/core/sources',
    side: 'core',
    call: 'source.list',
    summary: 'Every source that has a partition, of whichever gateway.',
    role: 'viewer',
    parameters: none,
    answer: z.array(coreSourceSchema),
  },
  {
    method: 'POST',
    path: '/api/core/sources/retire',
    side: 'core',
    call: 'source.retire',
    summary: 'Says that nothing more comes of a source whose gateway is gone.',
    role: 'operator',
    parameters: z.strictObject({ source: z.string().min(3).max(127).describe('`<gateway>/<source>`') }),
    answer: z.looseObject({ outcome: z.string(), topic: z.string(), partition: z.number() }),
  },
  {
    method: 'GET',
    path: '/api/core/pipelines',
    side: 'core',
    call: 'pipelines',
    summary: 'The pipelines that the core knows.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.pipelineSchema),
  },
  {
    method: 'GET',
    path: '/api/core/alerts',
    side: 'core',
    call: 'alerts',
    summary: 'The latest alerts, newest first, and who takes care of them.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.alertSchema),
  },
  {
    method: 'POST',
    path: '/api/core/alerts/acknowledge',
    side: 'core',
    call: 'alerts.acknowledge',
    summary: 'Says that the user takes care of an alert.',
    role: 'operator',
    parameters: z.strictObject({ key: z.string().min(1).max(500).describe('Key of the alert.'), note: words }),
    answer: readers.alertSchema,
    signed: true,
  },
  {
    method: 'GET',
    path: '/api/core/silences',
    side: 'core',
    call: 'alerts.silences',
    summary: 'What is silenced, and until when.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.silenceSchema),
  },
  {
    method: 'POST',
    path: '/api/core/silences',
    side: 'core',
    call: 'alerts.silence',
    summary: 'Sends alerts to no webhook, command or AMQP address for a while; what still stands at its end is told then.',
    role: 'operator',
    parameters: z.strictObject({
      analyser: z.string().min(1).max(130).default('*').describe('Glob; with a dot over `<pipeline>.<analyser>`.'),
      source: z.string().min(1).max(130).default('*').describe('Glob; with a slash over `<gateway>/<source>`.'),
      for_ms: z.int().min(1).max(SILENCE_MAX_MS).describe('How long, ms.'),
      reason: words,
    }),
    answer: readers.silenceSchema,
    signed: true,
  },
  {
    method: 'POST',
    path: '/api/core/silences/{id}/end',
    side: 'core',
    call: 'alerts.unsilence',
    summary: 'Ends a silence before its time.',
    role: 'operator',
    parameters: z.strictObject({ id: z.coerce.number().int().min(1).describe('Id of the silence.') }),
    answer: readers.silenceSchema,
  },
  {
    method: 'GET',
    path: '/api/core/batch',
    side: 'core',
    call: 'batch.list',
    summary: 'Batch jobs.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.jobSchema),
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/runs',
    side: 'core',
    call: 'batch.runs',
    summary: 'Runs of a job, newest first.',
    role: 'viewer',
    parameters: job,
    answer: z.array(readers.runSchema),
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/offsets',
    side: 'core',
    call: 'batch.offsets',
    summary: 'How far a job is in each partition.',
    role: 'viewer',
    parameters: job,
    answer: z.array(readers.offsetSchema),
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/log',
    side: 'core',
    call: 'batch.log',
    summary: "The end of a run's log: what its command said.",
    role: 'viewer',
    parameters: job.extend({ run: z.string().min(1).max(100).optional().describe('Id of the run; the latest unless set.') }),
    answer: readers.runLogSchema,
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/losses',
    side: 'core',
    call: 'batch.losses',
    summary: 'Records that a job never had, because the log had them no more.',
    role: 'viewer',
    parameters: job,
    answer: z.array(readers.lossSchema),
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/poison',
    side: 'core',
    call: 'batch.poison',
    summary: 'Records that a job could not use, a thousand at once.',
    role: 'viewer',
    parameters: job.extend({
      after: z.string().max(160).optional().describe('Begin behind this one: `<gateway>/<source>@<sequence>`.'),
    }),
    answer: z.array(readers.poisonSchema),
  },
  {
    method: 'GET',
    path: '/api/core/partitions',
    side: 'core',
    call: 'partitions',
    summary: 'What lies in each partition, for how long it is kept, and which batch job has read least of it.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.partitionSchema),
  },
  {
    method: 'POST',
    path: '/api/core/batch/{job}/run',
    side: 'core',
    call: 'batch.run',
    summary: 'Runs a job now.',
    role: 'operator',
    parameters: job,
    answer: readers.ranSchema,
  },
  {
    method: 'GET',
    path: '/api/core/dead',
    side: 'core',
    call: 'dead.list',
    summary: 'Batches that the log refused for good.',
    role: 'viewer',
    parameters: none,
    answer: z.array(readers.letterSchema),
  },
  {
    method: 'GET',
    path: '/api/core/dead/letter',
    side: 'core',
    call: 'dead.show',
    summary: 'One of them, with its first records.',
    role: 'viewer',
    parameters: letter,
    answer: readers.openLetterSchema,
  },
  {
    method: 'POST',
    path: '/api/core/dead/retry',
    side: 'core',
    call: 'dead.retry',
    summary: 'Appends its records to `<gateway>/<source>-retried`, once.',
    role: 'operator',
    parameters: letter,
    answer: readers.retriedSchema,
  },
  {
    method: 'POST',
    path: '/api/core/gateways/{gateway}/forget',
    side: 'core',
    call: 'gateway.forget',
    summary: 'Says that a gateway was replaced: whichever installation of this name opens next is the real one.',
    role: 'operator',
    parameters: z.strictObject({ gateway: z.string().regex(NAME_PATTERN).describe('Its name.') }),
    answer: readers.forgottenSchema,
  },
  {
    method: 'GET',
    path: '/api/core/tail',
    side: 'core',
    call: 'tail',
    summary: 'Records as they arrive: server-sent events named `item`.',
    role: 'viewer',
    parameters: z.strictObject({
      source: z.string().min(1).max(130).describe('A source, or a glob.'),
      last: count.default(20).describe('Begin with so many that are there.'),
    }),
    answer: readers.tailItemSchema,
    stream: true,
  },
  {
    method: 'POST',
    path: '/api/edge/sources/{source}/resume',
    side: 'edge',
    call: 'source.resume',
    summary: 'Goes on with a frozen source at the end of the log.',
    role: 'operator',
    parameters: source,
    answer: z.looseObject({
      outcome: z.enum(['resumed', 'refused']),
      epoch: z.number().optional(),
      from: z.number().optional().describe('The first number from which it goes on.'),
      message: z.string().optional().describe('Why it was refused.'),
      advice: z.string().optional(),
    }),
  },
  {
    method: 'POST',
    path: '/api/edge/sources/{source}/retire',
    side: 'edge',
    call: 'source.retire',
    summary: 'Reads a source no more; what is buffered of it still goes to the core.',
    role: 'operator',
    parameters: source,
    answer: z.looseObject({ outcome: z.string(), buffered: z.number(), pipeline: z.string().nullable() }),
  },
  {
    method: 'GET',
    path: '/api/edge/sources',
    side: 'edge',
    call: 'source.list',
    summary: 'Every source of this gateway.',
    role: 'viewer',
    parameters: none,
    answer: z.array(edgeSourceSchema),
  },
]
