import { z } from 'zod'
import { alarmSchema, coreStatusSchema, edgeStatusSchema, errorSchema } from './api-schemas.ts'
import { CSRF_HEADER } from './guard.ts'
import { METRICS_TYPE } from './metrics.ts'
import { API_ROUTES, type ApiRoute, type Side } from './routes.ts'

/** By paths and methods, as the document has them. */
type Paths = Record<string, Record<string, unknown>>

/** Sent with each change: what GET /api/session gives. */
const TOKEN = { name: CSRF_HEADER, in: 'header', required: true, schema: { type: 'string' } } as const
const NOT_LOGGED_IN: readonly object[] = []
const EVENTS = { 'text/event-stream': { schema: { type: 'string' } } }

const userSchema = z.object({ name: z.string(), role: z.enum(['viewer', 'operator']) })
const sessionSchema = z.object({
  user: userSchema,
  csrf: z.string().describe(`What each change carries as ${CSRF_HEADER}.`),
  sides: z.array(z.enum(['core', 'edge'])),
  version: z.string(),
})
const healthSchema = z.object({ alarms: z.array(alarmSchema) })
const auditSchema = z.array(
  z.object({
    time: z.string(),
    user: z.string(),
    address: z.string(),
    what: z.string(),
    given: z.record(z.string(), z.unknown()).optional(),
    status: z.number(),
  }),
)
const historySchema = z.array(z.object({ time_ms: z.number(), records: z.number() }))

/** OpenAPI 3.1 of all that the console answers, from the schemas by which it checks; `cookie` is the name of the session's. */
export function openApi(version: string, sides: readonly Side[], cookie: string): unknown {
  const paths: Paths = {}
  for (const route of API_ROUTES.filter(({ side }) => sides.includes(side)))
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) }
  return {
    openapi: '3.1.0',
    info: { title: 'Headrace', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: { ...paths, ...ownPaths(sides) },
    components: {
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: cookie },
        basic: { type: 'http', scheme: 'basic' },
      },
    },
    // Where no users are declared everybody on the machine may ask.
    security: [{ session: [] }, {}],
  }
}

function operationOf(route: ApiRoute): object {
  const inPath = new Set([...route.path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? ''))
  const isChange = route.method === 'POST'
  const shape: readonly [string, z.ZodType][] = Object.entries(route.parameters.shape)
  const inBody = shape.filter(([name]) => isChange && !inPath.has(name))
  const parameters = shape
    .filter(entry => !inBody.includes(entry))
    .map(([name, schema]) => ({
      name,
      in: inPath.has(name) ? 'path' : 'query',
      required: inPath.has(name) || !schema.safeParse(undefined).success,
      schema: schemaOf(schema),
    }))
  return {
    summary: route.summary,
    operationId: `${route.side}.${route.call}`,
    parameters: [...parameters, ...(isChange ? [TOKEN] : [])],
    ...(inBody.length > 0 && { requestBody: { content: json(z.strictObject(Object.fromEntries(inBody))) } }),
    responses: responses(route.stream ? EVENTS : json(route.answer)),
  }
}

/** What is no call of a process: the console's own. */
function ownPaths(sides: readonly Side[]): Paths {
  const status = { core: coreStatusSchema, edge: edgeStatusSchema }
  const [one] = sides
  const shown = sides.length === 1 && one ? status[one] : z.object(status)
  const credentials = z.strictObject({ name: z.string(), password: z.string() })
  const of = ['source', 'job'].map(name => ({ name, in: 'query', required: false, schema: { type: 'string' } }))
  const own = (operationId: string, summary: string, content: object, more: object = {}) => ({
    ...{ operationId, summary, responses: responses(content) },
    ...more,
  })
  const unwell = { 503: { description: 'Somebody has to look.', content: json(healthSchema) } }
  return {
    '/health': {
      get: {
        ...own('health', '200 while no alarm stands, 503 otherwise.', json(healthSchema), { security: NOT_LOGGED_IN }),
        responses: { ...responses(json(healthSchema)), ...unwell },
      },
    },
    '/metrics': {
      get: own(
        'metrics',
        'Figures for Prometheus.',
        { [METRICS_TYPE]: { schema: { type: 'string' } } },
        { security: [{ basic: [] }, {}] },
      ),
    },
    '/status': { get: own('status', 'What `headrace status --json` says.', json(shown)) },
    '/api/session': {
      get: own('session', 'Who is logged in, and the token for changes.', json(sessionSchema)),
      post: own('session.begin', 'Logs in: the answer sets a cookie.', json(z.object({ user: userSchema })), {
        requestBody: { required: true, content: json(credentials) },
        security: NOT_LOGGED_IN,
      }),
      delete: own('session.end', 'Logs out.', json(z.object({})), { parameters: [TOKEN] }),
    },
    '/api/history': {
      get: own(
        'history',
        'The last day by minute: records of one source, of all, or the lag of a batch job.',
        json(historySchema),
        {
          parameters: of,
        },
      ),
    },
    '/api/audit': {
      get: own(
        'audit',
        'The latest changes that were asked for through the console, newest first; for operators.',
        json(auditSchema),
      ),
    },
    '/api/live': { get: own('live', 'Status as it changes: server-sent events `all`, `changes` and `trouble`.', EVENTS) },
    '/api/openapi.json': { get: own('openapi', 'This document.', json(z.record(z.string(), z.unknown()))) },
  }
}

function responses(content: object): object {
  return {
    200: { description: 'Done.', content },
    default: { description: 'What went wrong, and what to do.', content: json(errorSchema) },
  }
}

function json(schema: z.ZodType): object {
  return { 'application/json': { schema: schemaOf(schema) } }
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}
