import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { join } from 'node:path'
import type { Clock } from '../runtime/clock.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { ListenerTls } from '../runtime/listener-tls.ts'
import type { Logger } from '../runtime/logger.ts'
import { repeating } from '../runtime/repeating.ts'
import { ApiCalls } from './api-calls.ts'
import { type Asset, Assets } from './assets.ts'
import { type AuditEntry, AuditLog, auditLine } from './audit.ts'
import type { ControlCalls } from './control-server.ts'
import { BEAT_EVERY_MS, EVENT_STREAM_TYPE, EVENT_STREAMS_MAX, EventStream } from './event-stream.ts'
import { RequestGuard, securityHeaders } from './guard.ts'
import { History, type HistoryLook, type HistoryOf } from './history.ts'
import { errorAnswer, HttpError } from './http-error.ts'
import { LiveFeed, type Sides } from './live-feed.ts'
import { joinMetrics, METRICS_TYPE } from './metrics.ts'
import { openApi } from './openapi.ts'
import { type ConsoleOptions, hostOf, portOf } from './options.ts'
import type { Side } from './routes.ts'
import { type Caller, Sessions, sessionCookie } from './sessions.ts'
import { Users } from './users.ts'

/** How long a peer may take to say what it wants, ms. */
const REQUEST_LIMIT_MS = 10_000
const CONNECTIONS_MAX = 256
const BODY_BYTES_MAX = 16 * 1024

export interface ConsoleDeps {
  readonly options: ConsoleOptions
  /** Directory for the history and the audit log. */
  readonly stateDir: string
  /** The calls of the processes that it shows; the same that the control socket answers. */
  readonly sides: Readonly<Partial<Record<Side, ControlCalls>>>
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
}

/** The web console and its API: what the control socket answers, for browsers. */
export class Console {
  readonly #deps: ConsoleDeps
  readonly #server: Server
  readonly #assets: Assets
  readonly #guard: RequestGuard
  readonly #headers: Readonly<Record<string, string>>
  readonly #sessions: Sessions
  readonly #audit: AuditLog
  readonly #calls: ApiCalls
  readonly #live: LiveFeed
  readonly #history: History
  #streams = 0

  constructor(deps: ConsoleDeps) {
    const { options, clock, stateDir, sides, logger } = deps
    const users = options.users === undefined ? undefined : new Users(options.users)
    users?.check()
    makeFolder(stateDir)
    this.#deps = deps
    this.#assets = new Assets()
    this.#guard = new RequestGuard(options.listen, options.hosts)
    this.#headers = securityHeaders(this.#assets.scriptHashes, options.tls !== undefined)
    this.#sessions = new Sessions({ users, clock, isTls: options.tls !== undefined })
    this.#audit = new AuditLog(join(stateDir, 'console-audit.ndjson'))
    this.#calls = new ApiCalls(sides)
    this.#live = new LiveFeed(() => this.#statuses(), clock)
    this.#history = new History({ path: join(stateDir, 'console-history.db'), clock, logger, look: () => this.#look() })
    const limits = { headersTimeout: REQUEST_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS }
    const listener: RequestListener = (request, response) => void this.#take(request, response)
    this.#server = options.tls
      ? httpsServer(
          { ...limits, handshakeTimeout: REQUEST_LIMIT_MS },
          new ListenerTls('console.tls', options.tls, logger),
          listener,
        )
      : createHttpServer(limits, listener)
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Its address. Throws `config_invalid` where it cannot listen. */
  async start(): Promise<string> {
    const { listen, tls } = this.#deps.options
    const host = hostOf(listen)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', cause =>
        reject(
          new HeadraceError('config_invalid', `cannot listen on ${listen}: ${cause.message}`, {
            advice: 'Choose a free port of this machine.',
            cause,
          }),
        ),
      )
      this.#server.listen(portOf(listen), host.replace(/^\[|\]$/g, ''), resolve)
    })
    this.#history.start()
    const address = this.#server.address()
    return `${tls ? 'https' : 'http'}://${host}:${typeof address === 'object' && address ? address.port : ''}`
  }

  async stop(): Promise<void> {
    this.#history.close()
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value)
    try {
      if (this.#deps.options.shows === 'all') this.#guard.check(request)
      await this.#answer(request, response)
    } catch (error) {
      const { status, body } = errorAnswer(error)
      if (response.headersSent) response.destroy()
      else sendJson(response, status, body)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://console')
    if (!url) throw new HttpError(400, 'the address cannot be read')
    const path = url.pathname
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (isRead && path === '/health') return this.#health(response)
    if (isRead && path === '/metrics') return this.#metrics(request, response)
    if (this.#deps.options.shows === 'health') throw new HttpError(404, 'here are /health and /metrics alone')
    const file = isRead ? this.#assets.get(path) : undefined
    if (file) return sendAsset(request, response, file)
    if (path === '/api/session') return this.#session(request, response)
    const caller = this.#sessions.caller(request)
    if (!caller) throw new HttpError(401, 'log in first')
    if (isRead) return this.#read(path, url, request, response, caller)
    await this.#change(path, request, response, caller)
  }

  async #read(path: string, url: URL, request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    if (path === '/status') return sendJson(response, 200, oneOrBoth(await this.#statuses()))
    if (path === '/api/openapi.json')
      return sendJson(response, 200, openApi(this.#deps.version, this.#calls.sides, sessionCookie(request)))
    if (path === '/api/audit') return sendJson(response, 200, this.#audited(caller))
    if (path === '/api/history') return sendJson(response, 200, await this.#history.points(historyOf(url)))
    if (path === '/api/live')
      return this.#stream(request, response, stream => this.#live.watch(message => stream.send(message.kind, message)))
    const found = this.#calls.find('GET', path, Object.fromEntries(url.searchParams), caller.user)
    if (!found.isStream) return sendJson(response, 200, (await found.call(AbortSignal.timeout(REQUEST_LIMIT_MS))) ?? null)
    this.#stream(request, response, stream => {
      const gone = new AbortController()
      void stream.follow(found.call(gone.signal) as AsyncIterable<unknown>)
      return () => gone.abort()
    })
  }

  #audited({ user }: Caller): AuditEntry[] {
    if (user.role !== 'operator') throw new HttpError(403, 'who changed what is for operators', 'Ask an operator.')
    return this.#audit.latest()
  }

  async #change(path: string, request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    let given: Record<string, unknown> = {}
    const entry = { user: caller.user.name, address: request.socket.remoteAddress ?? '', what: `${request.method} ${path}` }
    const write = (status: number) =>
      this.#writeDown({ time: new Date(this.#deps.clock.wallMs()).toISOString(), ...entry, given, status })
    try {
      this.#sessions.checkToken(request, caller)
      given = await bodyOf(request)
      const found = this.#calls.find(request.method ?? '', path, given, caller.user)
      const result = await found.call(new AbortController().signal)
      write(200)
      sendJson(response, 200, result ?? null)
    } catch (error) {
      write(errorAnswer(error).status)
      throw error
    }
  }

  /** A disk that takes nothing more must not keep an operator from acting, nor have said of what was done that it was not. */
  #writeDown(entry: AuditEntry): void {
    try {
      this.#audit.write(entry)
    } catch (error) {
      const why = messageOf(error)
      this.#deps.logger.error(
        { audit: auditLine(entry) },
        `a change through the console is not in its audit log, which cannot be written: ${why}`,
      )
    }
  }

  async #session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') {
      const { name, password } = await bodyOf(request)
      const { user, id } = await this.#sessions.logIn(request.socket.remoteAddress ?? '', String(name), String(password))
      response.setHeader('set-cookie', this.#sessions.cookie(request, id))
      return sendJson(response, 200, { user })
    }
    const caller = this.#sessions.caller(request)
    if (!caller) throw new HttpError(401, 'log in first')
    if (request.method === 'DELETE') {
      this.#sessions.checkToken(request, caller)
      response.setHeader('set-cookie', this.#sessions.logOut(request))
      return sendJson(response, 200, {})
    }
    sendJson(response, 200, { user: caller.user, csrf: caller.csrf, sides: this.#calls.sides, version: this.#deps.version })
  }

  async #health(response: ServerResponse): Promise<void> {
    const sides = Object.values(await this.#statuses()) as { alarms?: readonly unknown[] }[]
    const alarms = sides.flatMap(status => status.alarms ?? [])
    sendJson(response, alarms.length === 0 ? 200 : 503, { alarms })
  }

  /** For Prometheus, which keeps no session: a name and a password with each request, where users are declared. */
  async #metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#sessions.basic(request)
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS)
    const asked = Object.values(this.#deps.sides).map(calls => calls['metrics']?.({}, signal))
    const texts = (await Promise.all(asked)).map(String)
    response.writeHead(200, { 'content-type': METRICS_TYPE }).end(joinMetrics(texts))
  }

  #stream(request: IncomingMessage, response: ServerResponse, begin: (stream: EventStream) => () => void): void {
    if (request.method === 'HEAD') {
      response.writeHead(200, { 'content-type': EVENT_STREAM_TYPE }).end()
      return
    }
    if (this.#streams >= EVENT_STREAMS_MAX) throw new HttpError(503, 'too many pages watch at once', 'Close some of them.')
    this.#streams += 1
    const stream = new EventStream(response)
    const end = begin(stream)
    const beats = repeating(this.#deps.clock, BEAT_EVERY_MS, () => {
      if (this.#isStillIn(request)) stream.beat()
      else stream.cutOff()
    })
    request.once('close', () => {
      this.#streams -= 1
      beats.cancel()
      end()
    })
  }

  /** A page that watches is there by its first request alone. */
  #isStillIn(request: IncomingMessage): boolean {
    try {
      return this.#sessions.caller(request) !== undefined
    } catch {
      return false
    }
  }

  async #statuses(): Promise<Sides> {
    const { core, edge } = this.#deps.sides
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS)
    const ask = async (calls: ControlCalls | undefined) => (calls?.['status'] ? calls['status']({}, signal) : undefined)
    const [edgeStatus, coreStatus] = await Promise.all([ask(edge), ask(core)])
    return Object.fromEntries(
      Object.entries({ edge: edgeStatus, core: coreStatus }).filter(([, status]) => status !== undefined),
    ) as Sides
  }

  /** For the history: next numbers, the log's where there is a core, otherwise what the gateway gave away; and how far jobs are behind. */
  async #look(): Promise<HistoryLook> {
    const { core, edge } = (await this.#statuses()) as Record<string, Figures>
    const jobs = (core?.jobs ?? []).flatMap(({ job, lag }) => (lag === null ? [] : [[job, lag] as const]))
    const keyOf = (source: string) => (core ? source : `${edge?.gateway}/${source}`)
    const rows = (core ?? edge)?.sources ?? []
    // Of a partition that has no leader just now the end is not known: taken for 0, all that it holds would have come within the minute after.
    const ends = rows.flatMap(({ source, next }) => (next === null ? [] : [[keyOf(source), next] as const]))
    return { ends: new Map(ends), lags: Object.fromEntries(jobs) }
  }
}

interface Figures {
  readonly gateway?: string
  readonly sources: readonly { readonly source: string; readonly next: number | null }[]
  readonly jobs?: readonly { readonly job: string; readonly lag: number | null }[]
}

function historyOf({ searchParams }: URL): HistoryOf {
  return { source: searchParams.get('source') ?? undefined, job: searchParams.get('job') ?? undefined }
}

function oneOrBoth(sides: Sides): unknown {
  return sides.edge && sides.core ? sides : (sides.edge ?? sides.core ?? { running: false })
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const headers = { 'content-type': asset.type, 'cache-control': 'no-cache', etag: asset.etag, vary: 'accept-encoding' }
  if (request.headers['if-none-match'] === asset.etag) {
    response.writeHead(304, headers).end()
    return
  }
  const isGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const bytes = isGzip ? asset.gzip : asset.bytes
  response.writeHead(200, { ...headers, 'content-length': bytes.length, ...(isGzip && { 'content-encoding': 'gzip' }) })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** A change's parameters: a JSON object, or nothing. Throws 413 or 400. */
async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += (part as Buffer).length
    if (bytes > BODY_BYTES_MAX) throw new HttpError(413, `the body is larger than ${BODY_BYTES_MAX} bytes`)
    parts.push(part as Buffer)
  }
  if (bytes === 0) return {}
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    throw new HttpError(415, 'the body has to be application/json')
  try {
    const body: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  } catch {
    throw new HttpError(400, 'the body is no JSON')
  }
  throw new HttpError(400, 'the body has to be a JSON object')
}

/** Certificates are renewed while the process runs. */
function httpsServer(limits: ServerOptions, tls: ListenerTls, listener: RequestListener): Server {
  const server = createHttpsServer({ ...limits, ...tls.first }, listener)
  tls.servedBy(server)
  return server
}
