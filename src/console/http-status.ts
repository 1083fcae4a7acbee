import { createServer, type Server } from 'node:http'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { type CoreFigures, coreMetrics, METRICS_TYPE } from './metrics.ts'

const HEADERS_LIMIT_MS = 5_000
/** Connections at once: scrapers and people, not a service. */
const CONNECTIONS_MAX = 64

/**
 * Status over HTTP: `GET /status` is what `headrace status --json` says, `GET /health` is 200 while no alarm stands and 503 otherwise, `GET /metrics` is
 * for Prometheus.
 */
export class HttpStatus {
  readonly #server: Server
  readonly #listen: string

  constructor(listen: string, status: () => Promise<CoreFigures>) {
    this.#listen = listen
    this.#server = createServer({ headersTimeout: HEADERS_LIMIT_MS, requestTimeout: HEADERS_LIMIT_MS }, (request, response) => {
      const send = (code: number, body: unknown) => {
        response.writeHead(code, {
          'content-type': 'application/json',
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
        })
        response.end(`${JSON.stringify(body)}\n`)
      }
      if (request.method !== 'GET') return send(405, { error: 'only GET' })
      if (request.url === '/metrics') {
        status().then(
          found => response.writeHead(200, { 'content-type': METRICS_TYPE }).end(coreMetrics(found)),
          error => send(503, { error: messageOf(error) }),
        )
        return
      }
      if (request.url !== '/status' && request.url !== '/health') return send(404, { error: 'known: /status, /health, /metrics' })
      const health = request.url === '/health'
      status().then(
        found => (health ? send(found.alarms.length === 0 ? 200 : 503, { alarms: found.alarms }) : send(200, found)),
        error => send(503, { error: messageOf(error) }),
      )
    })
  }

  async start(): Promise<string> {
    this.#server.maxConnections = CONNECTIONS_MAX
    const at = this.#listen.lastIndexOf(':')
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', cause =>
        reject(
          new HeadraceError('config_invalid', `cannot listen on ${this.#listen}: ${cause.message}`, {
            advice: 'Choose a free port of this machine.',
            cause,
          }),
        ),
      )
      this.#server.listen(Number(this.#listen.slice(at + 1)), this.#listen.slice(0, at).replace(/^\[|\]$/g, ''), resolve)
    })
    const address = this.#server.address()
    return `http://${this.#listen.slice(0, at)}:${typeof address === 'object' && address ? address.port : ''}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }
}
