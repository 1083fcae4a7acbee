import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Ledger } from '../../src/reader/ledger.ts'
import { consoleUrlOf } from '../browser/console-page.ts'
import { until } from '../support/until.ts'
import { layLetter } from './lay-letter.ts'
import { GATEWAY, Up } from './up-process.ts'

const FULL_RUN = process.env['HEADRACE_FAULTS'] === 'all'
const A = `${GATEWAY}/a`
const LETTER = `${A}@40`

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content: Content }>>
}

type Content = Readonly<Record<string, { readonly schema: object }>>

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

let up: Up
let url: string
let api: Document
let csrf: string
beforeAll(async () => {
  up = new Up(`pipeline: plant
sources:
  a: { generator: { count: 40, records_per_second: 0 }, fields: { bar: { type: number, unit: bar } } }
  b: { generator: { count: 40, records_per_second: 0 } }
batch: { load: { sources: [a], input: ndjson, run: [sh, -c, "wc -l"] } }
analysers: { busy: { sources: [b], when: "n >= 0", alert: { command: ["true"] } } }
`)
  await up.start()
  await up.drained(40)
  await layLetter(up, ['{"n":40}', '{"n":41}'])
  const ledger = new Ledger(join(up.state, 'core', 'readers.db'))
  ledger.addPoison('plant.load', [{ source: A, sequence: 3, run: 'none', reason: 'it is odd' }])
  ledger.acceptLosses('plant.load', [{ source: A, first: 0, next: 0, acceptedMs: 1 }], new Map())
  ledger.close()
  url = consoleUrlOf(up)
  api = (await (await fetch(`${url}/api/openapi.json`)).json()) as Document
  csrf = ((await (await fetch(`${url}/api/session`)).json()) as { csrf: string }).csrf
})
afterAll(() => up?.end())

const get = async <Found>(path: string) => (await (await fetch(`${url}${path}`)).json()) as Found

/** How each operation is asked, in this order: what changes something stands behind those that look at it. */
const ASKED: Readonly<Record<string, Readonly<Record<string, unknown>> | (() => Promise<Record<string, unknown>>)>> = {
  openapi: {},
  session: {},
  'session.begin': { name: 'anna', password: 'none is declared' },
  health: {},
  metrics: {},
  status: {},
  live: {},
  'core.status': {},
  'edge.status': {},
  'core.source.list': {},
  'edge.source.list': {},
  'core.pipelines': {},
  'core.partitions': {},
  'core.tail': { source: A, last: 2 },
  'core.alerts': {},
  'core.alerts.acknowledge': async () => ({ key: (await get<{ key: string }[]>('/api/core/alerts'))[0]?.key, note: 'seen' }),
  'core.alerts.silence': { for_ms: 60_000, reason: 'is mended' },
  'core.alerts.silences': {},
  'core.alerts.unsilence': async () => ({ id: (await get<{ id: number }[]>('/api/core/silences'))[0]?.id }),
  'core.batch.run': { job: 'load' },
  'core.batch.list': {},
  'core.batch.runs': { job: 'load' },
  'core.batch.log': { job: 'load' },
  'core.batch.offsets': { job: 'load' },
  'core.batch.losses': { job: 'load' },
  'core.batch.poison': { job: 'load' },
  history: { job: 'plant.load' },
  audit: {},
  'core.dead.list': {},
  'core.dead.show': { letter: LETTER },
  'core.dead.retry': { letter: LETTER },
  'edge.source.resume': { source: 'a' },
  'edge.source.retire': { source: 'b' },
  // Its gateway is connected: it is told to do that there.
  'core.source.retire': { source: A },
  'core.gateway.forget': { gateway: GATEWAY },
  'session.end': {},
}
/** Those that are refused here, and with what. */
const REFUSED: Readonly<Record<string, number>> = { 'session.begin': 404, 'core.source.retire': 409 }

function operations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
}

/** A schema that takes nothing but what it names: what an answer has beyond it is not documented. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  return 'properties' in inner ? { ...inner, additionalProperties: false } : inner
}

function problems(schema: object, answer: unknown): unknown[] {
  const checked = z.fromJSONSchema(strict(schema) as Parameters<typeof z.fromJSONSchema>[0]).safeParse(answer)
  return checked.success ? [] : checked.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

async function ask(path: string, method: string, operation: Operation, given: Readonly<Record<string, unknown>>) {
  const query = new URLSearchParams()
  const rest = { ...given }
  let address = path
  for (const { name, in: place } of operation.parameters ?? []) {
    if (!(name in given)) continue
    delete rest[name]
    if (place === 'path') address = address.replace(`{${name}}`, encodeURIComponent(String(given[name])))
    else query.set(name, String(given[name]))
  }
  const ended = new AbortController()
  const headers = { 'content-type': 'application/json', 'x-headrace-csrf': csrf }
  const body = method === 'GET' ? {} : { headers, body: JSON.stringify(rest) }
  const response = await fetch(`${url}${address}?${query}`, { method, signal: ended.signal, ...body })
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('text/event-stream')) return { status: response.status, type, text: await response.text() }
  // Of a stream that does not end: its first event.
  let text = ''
  for await (const part of response.body ?? []) {
    text += Buffer.from(part).toString()
    if (text.includes('\n\n')) break
  }
  ended.abort()
  return { status: response.status, type, text }
}

describe('the API', () => {
  test('each operation of the document is answered as the document says, and with nothing beyond it', async () => {
    expect(api.openapi).toBe('3.1.0')
    expect(
      operations()
        .map(({ operation }) => operation.operationId)
        .sort(),
    ).toEqual(Object.keys(ASKED).sort())
    await until('an alert is there', async () => (await get<unknown[]>('/api/core/alerts')).length > 0)
    await until(
      'the gateway has reported',
      async () => (await get<{ reports: unknown[] }>('/api/core/status')).reports.length > 0,
    )
    for (const [id, how] of Object.entries(ASKED)) {
      const found = operations().find(({ operation }) => operation.operationId === id)
      if (!found) throw new Error(`the document has no ${id}`)
      const { path, method, operation } = found
      const given = typeof how === 'function' ? await how() : how
      const { status, type, text } = await ask(path, method, operation, given)
      expect([id, status]).toEqual([id, REFUSED[id] ?? 200])
      const content = operation.responses[id in REFUSED ? 'default' : '200']?.content ?? {}
      const [[documented, { schema }] = ['', { schema: {} }]] = Object.entries(content)
      expect([id, type]).toEqual([id, documented])
      if (documented === 'application/json') expect([id, ...problems(schema, JSON.parse(text))]).toEqual([id])
      if (documented === 'text/event-stream') expect(text).toMatch(/^event: (all|item)\ndata: \{.*\}\n\n/)
    }
  })

  test('an answer that is another than the document says would be seen', async () => {
    const schema = api.paths['/api/core/partitions']?.['get']?.responses['200']?.content['application/json']?.schema ?? {}
    const [row] = await get<Record<string, unknown>[]>('/api/core/partitions')
    expect(problems(schema, [row])).toEqual([])
    expect(problems(schema, [{ ...row, further: 1 }])).toHaveLength(1)
    expect(problems(schema, [{ ...row, topic: 1 }])).toHaveLength(1)
    const { topic: _topic, ...without } = row ?? {}
    expect(problems(schema, [without])).toHaveLength(1)
  })

  test('each change wants its token, and what is not documented is refused', async () => {
    for (const { path, method, operation } of operations().filter(each => each.method !== 'GET')) {
      if (operation.operationId === 'session.begin') continue
      expect(operation.parameters).toContainEqual(
        expect.objectContaining({ name: 'x-headrace-csrf', in: 'header', required: true }),
      )
      const response = await fetch(`${url}${path.replaceAll(/\{\w+\}/g, '1')}`, { method })
      expect([operation.operationId, response.status]).toEqual([operation.operationId, 403])
      const schema = operation.responses['default']?.content['application/json']?.schema ?? {}
      expect(problems(schema, await response.json())).toEqual([])
    }
    expect((await fetch(`${url}/api/core/batch/load/runs?colour=red`)).status).toBe(400)
  })
})

/** In an ordinary run each third: every one of them starts a command. */
const SAID = [
  ['/api/core/batch', ['batch', 'list']],
  ['/api/core/batch/load/runs', ['batch', 'runs', 'load']],
  ['/api/core/batch/load/log', ['batch', 'log', 'load']],
  ['/api/core/batch/load/offsets', ['batch', 'offsets', 'load']],
  ['/api/core/batch/load/losses', ['batch', 'losses', 'load']],
  ['/api/core/batch/load/poison', ['batch', 'poison', 'load']],
  ['/api/core/partitions', ['partitions']],
  ['/api/core/alerts', ['alerts', 'list']],
  ['/api/core/silences', ['alerts', 'silences']],
  ['/api/core/dead', ['dead', 'list']],
  [`/api/core/dead/letter?letter=${encodeURIComponent(LETTER)}`, ['dead', 'show', LETTER]],
] as const

test.each(SAID.filter((_, index) => FULL_RUN || index % 3 === 0))(
  'what %s answers is what the command says with --json',
  async (path, command) => {
    // A look and the next may have something between them.
    await until('both say the same', async () => {
      const [said, answered] = [await up.json(...command), await get(path)]
      return JSON.stringify(said) === JSON.stringify(answered)
    })
  },
)
