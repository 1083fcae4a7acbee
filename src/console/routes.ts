import { z } from 'zod'
import { NAME_PATTERN } from '../runtime/names.ts'
import {
  alarmSchema,
  alertSchema,
  coreStatusSchema,
  edgeStatusSchema,
  errorSchema,
  partitionSchema,
  silenceSchema,
} from './api-schemas.ts'
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
const rows = z.array(z.looseObject({}))
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
    path: '/api/core/pipelines',
    side: 'core',
    call: 'pipelines',
    summary: 'The pipelines that the core knows.',
    role: 'viewer',
    parameters: none,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/alerts',
    side: 'core',
    call: 'alerts',
    summary: 'The latest alerts, newest first, and who takes care of them.',
    role: 'viewer',
    parameters: none,
    answer: z.array(alertSchema),
  },
  {
    method: 'POST',
    path: '/api/core/alerts/acknowledge',
    side: 'core',
    call: 'alerts.acknowledge',
    summary: 'Says that the user takes care of an alert.',
    role: 'operator',
    parameters: z.strictObject({ key: z.string().min(1).max(500).describe('Key of the alert.'), note: words }),
    answer: alertSchema,
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
    answer: z.array(silenceSchema),
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
    answer: silenceSchema,
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
    answer: silenceSchema,
  },
  {
    method: 'GET',
    path: '/api/core/batch',
    side: 'core',
    call: 'batch.list',
    summary: 'Batch jobs.',
    role: 'viewer',
    parameters: none,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/runs',
    side: 'core',
    call: 'batch.runs',
    summary: 'Runs of a job, newest first.',
    role: 'viewer',
    parameters: job,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/offsets',
    side: 'core',
    call: 'batch.offsets',
    summary: 'How far a job is in each partition.',
    role: 'viewer',
    parameters: job,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/log',
    side: 'core',
    call: 'batch.log',
    summary: "The end of a run's log: what its command said.",
    role: 'viewer',
    parameters: job.extend({ run: z.string().min(1).max(100).optional().describe('Id of the run; the latest unless set.') }),
    answer: z.looseObject({ run: z.string(), path: z.string(), bytes: z.number(), from: z.number(), text: z.string() }),
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/losses',
    side: 'core',
    call: 'batch.losses',
    summary: 'Records that a job never had, because the log had them no more.',
    role: 'viewer',
    parameters: job,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/batch/{job}/poison',
    side: 'core',
    call: 'batch.poison',
    summary: 'Records that a job could not use.',
    role: 'viewer',
    parameters: job,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/partitions',
    side: 'core',
    call: 'partitions',
    summary: 'What lies in each partition, for how long it is kept, and which batch job has read least of it.',
    role: 'viewer',
    parameters: none,
    answer: z.array(partitionSchema),
  },
  {
    method: 'POST',
    path: '/api/core/batch/{job}/run',
    side: 'core',
    call: 'batch.run',
    summary: 'Runs a job now.',
    role: 'operator',
    parameters: job,
    answer: z.looseObject({ outcome: z.string() }),
  },
  {
    method: 'GET',
    path: '/api/core/dead',
    side: 'core',
    call: 'dead.list',
    summary: 'Batches that the log refused for good.',
    role: 'viewer',
    parameters: none,
    answer: rows,
  },
  {
    method: 'GET',
    path: '/api/core/dead/letter',
    side: 'core',
    call: 'dead.show',
    summary: 'One of them, with its first records.',
    role: 'viewer',
    parameters: letter,
    answer: z.looseObject({ letter: z.string(), reason: z.string() }),
  },
  {
    method: 'POST',
    path: '/api/core/dead/retry',
    side: 'core',
    call: 'dead.retry',
    summary: 'Appends its records to `<gateway>/<source>-retried`, once.',
    role: 'operator',
    parameters: letter,
    answer: z.looseObject({ source: z.string(), appended: z.number(), already: z.number() }),
  },
  {
    method: 'POST',
    path: '/api/core/gateways/{gateway}/forget',
    side: 'core',
    call: 'gateway.forget',
    summary: 'Says that a gateway was replaced: whichever installation of this name opens next is the real one.',
    role: 'operator',
    parameters: z.strictObject({ gateway: z.string().regex(NAME_PATTERN).describe('Its name.') }),
    answer: z.looseObject({ outcome: z.string(), gateway: z.string(), was_connected: z.boolean() }),
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
    answer: z.looseObject({
      gateway: z.string(),
      source: z.string(),
      seq: z.number(),
      time_ms: z.number(),
      value_base64: z.string().nullable(),
    }),
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
    answer: z.looseObject({}),
  },
]

/** OpenAPI 3.1 from the routes and their schemas. */
export function openApi(version: string, sides: readonly Side[]): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  const json = (schema: z.ZodType) => ({
    'application/json': { schema: z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) },
  })
  for (const route of API_ROUTES.filter(({ side }) => sides.includes(side))) {
    const inPath = new Set([...route.path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? ''))
    const isChange = route.method === 'POST'
    const inQuery = Object.entries(route.parameters.shape).filter(([name]) => inPath.has(name) || !isChange)
    const inBody = Object.fromEntries(Object.entries(route.parameters.shape).filter(([name]) => isChange && !inPath.has(name)))
    const parameters = inQuery.map(([name, schema]) => ({
      name,
      in: inPath.has(name) ? 'path' : 'query',
      required: inPath.has(name) || !(schema as z.ZodType).safeParse(undefined).success,
      schema: z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' }),
    }))
    const content = route.stream ? { 'text/event-stream': { schema: { type: 'string' } } } : json(route.answer)
    const at = paths[route.path] ?? {}
    paths[route.path] = at
    at[route.method.toLowerCase()] = {
      summary: route.summary,
      operationId: `${route.side}.${route.call}`,
      parameters,
      ...(Object.keys(inBody).length > 0 && { requestBody: { content: json(z.strictObject(inBody)) } }),
      responses: {
        200: { description: 'Done.', content },
        default: { description: 'What went wrong, and what to do.', content: json(errorSchema) },
      },
    }
  }
  paths['/health'] = {
    get: {
      summary: '200 while no alarm stands, 503 otherwise.',
      operationId: 'health',
      responses: {
        200: { description: 'Well.', content: json(z.object({ alarms: z.array(alarmSchema) })) },
        503: { description: 'Somebody has to look.' },
      },
    },
  }
  paths['/api/history'] = {
    get: {
      summary: 'The last day by minute: records of one source, of all, or the lag of a batch job.',
      operationId: 'history',
      parameters: ['source', 'job'].map(name => ({ name, in: 'query', required: false, schema: { type: 'string' } })),
      responses: {
        200: { description: 'Oldest first.', content: json(z.array(z.object({ timeMs: z.number(), records: z.number() }))) },
      },
    },
  }
  paths['/api/live'] = {
    get: {
      summary: 'Status as it changes: server-sent events `all`, `changes` and `trouble`.',
      operationId: 'live',
      responses: { 200: { description: 'A stream.', content: { 'text/event-stream': { schema: { type: 'string' } } } } },
    },
  }
  return { openapi: '3.1.0', info: { title: 'Headrace', version, license: { name: 'Apache-2.0' } }, paths }
}
