import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { z } from 'zod'
import { settledWithin } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { carriesToken, readToken } from './bearer-token.ts'
import { OpeningSource } from './opening-source.ts'
import { addressText, parseAddress } from './socket-address.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

/** How long a stop waits for what was taken to be stored and answered, ms. */
const END_LIMIT_MS = 1_000
/** Whoever is told that there is no room is told to come again after so long, s. */
const RETRY_AFTER_S = '5'

export const webhookOptions = z.strictObject({
  listen: addressText.describe('Where to listen, such as 0.0.0.0:8081.'),
  path: z.string().startsWith('/').default('/').describe('The path that is posted to.'),
  bearer_file: z
    .string()
    .min(1)
    .optional()
    .describe('File with a token that every request has to carry as `Authorization: Bearer …`; read anew each time.'),
  max_bytes: size({ min: '1B', max: '900KB' }).default(900_000).describe('A longer body is refused.'),
  connections_max: z.int().min(1).max(10_000).default(100).describe('More connections at once are refused and counted.'),
  timeout: duration({ min: '100ms', max: '10m' }).default(30_000).describe('How long a request may take to arrive.'),
  tls: z
    .strictObject({
      cert: z.string().min(1).describe('File with the certificate.'),
      key: z.string().min(1).describe('File with its key.'),
    })
    .optional()
    .describe('Listen with TLS. What is renewed in the files is shown from then on.'),
})
export type WebhookOptions = z.output<typeof webhookOptions>

/** An answer that is not 200, and why. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Takes what is posted to it. 200 is answered when the record is on disk: whoever got none has to send it again. */
class WebhookSource extends OpeningSource<Server> {
  readonly #options: WebhookOptions

  constructor(options: WebhookOptions, context: SourceContext) {
    super(options.listen, context)
    this.#options = options
  }

  protected override async close(server: Server): Promise<void> {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    // What is taken already is answered; the rest has to come again.
    await settledWithin(this.context.clock, END_LIMIT_MS, this.context.stored())
    server.closeIdleConnections()
    const limit = this.context.clock.after(END_LIMIT_MS, () => server.closeAllConnections())
    await closed
    limit.cancel()
  }

  protected override async open(): Promise<Server> {
    const { listen, tls, timeout, connections_max } = this.#options
    const { host, port } = parseAddress(listen) ?? { host: '', port: 0 }
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response)
    // Loaded where something listens: a program that imports it has 15 MiB more.
    const server = tls ? await this.#secured(tls, answer) : (await import('node:http')).createServer(answer)
    server.requestTimeout = timeout
    server.headersTimeout = timeout
    server.maxConnections = connections_max
    server.on('drop', () => this.context.trouble('a connection too many was refused'))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        server.on('error', error => this.context.trouble(messageOf(error)))
        resolve(server)
      })
    })
  }

  /** Certificates are renewed while the process runs. */
  async #secured(files: NonNullable<WebhookOptions['tls']>, answer: RequestListener): Promise<Server> {
    const [{ createServer }, { ListenerTls }] = await Promise.all([import('node:https'), import('../runtime/listener-tls.ts')])
    const tls = new ListenerTls('webhook.tls', files, { info: () => {}, error: (_, message) => this.context.trouble(message) })
    const server = createServer(tls.first, answer)
    tls.servedBy(server)
    return server
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#check(request)
      const body = await this.#bodyOf(request)
      this.#checkRoom()
      this.context.message(body, this.context.clock.wallMs())
      await this.context.stored()
      response.writeHead(200).end()
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 400
      this.context.trouble(`answered ${status}`)
      if (status === 503) response.setHeader('Retry-After', RETRY_AFTER_S)
      // What is still on its way is not waited for.
      response.setHeader('Connection', 'close')
      response.writeHead(status, { 'content-type': 'text/plain' }).end(`${messageOf(error)}\n`)
    }
  }

  #check({ method, url = '', headers }: IncomingMessage): void {
    const { path, bearer_file, max_bytes } = this.#options
    if (bearer_file !== undefined && !carriesToken(headers.authorization, readTokenOrRefuse(bearer_file)))
      throw new Refusal(401, 'the token is missing or wrong')
    if (url.split('?')[0] !== path) throw new Refusal(404, `nothing is here; post to ${path}`)
    if (method !== 'POST' && method !== 'PUT') throw new Refusal(405, 'only POST and PUT are taken')
    this.#checkRoom()
    if (Number(headers['content-length'] ?? 0) > max_bytes) throw new Refusal(413, `a body may have ${max_bytes} bytes`)
  }

  #checkRoom(): void {
    if (this.gate.isClosed || this.stopping.signal.aborted) throw new Refusal(503, 'there is no room now')
  }

  async #bodyOf(request: IncomingMessage): Promise<Buffer> {
    const { max_bytes } = this.#options
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of request) {
      bytes += (part as Buffer).length
      if (bytes > max_bytes) throw new Refusal(413, `a body may have ${max_bytes} bytes`)
      parts.push(part as Buffer)
    }
    if (bytes === 0) throw new Refusal(400, 'the body is empty')
    return Buffer.concat(parts)
  }
}

function readTokenOrRefuse(path: string): string {
  try {
    return readToken(path)
  } catch (error) {
    throw new Refusal(503, `the token cannot be checked: ${messageOf(error)}`)
  }
}

/** A small HTTP server that others post their readings to. */
export const webhook = defineSource({
  kind: 'webhook',
  summary: 'Listens for HTTP POST; each body is one record, and 200 is answered once it is on disk.',
  options: webhookOptions,
  gives: 'messages',
  whenFull: 'block',
  resource: options => ({ name: `tcp ${options.listen}`, shared: undefined }),
  within: ({ tls, ...options }, folder) => ({
    ...pathsWithin(options, folder, 'bearer_file'),
    ...(tls && { tls: pathsWithin(tls, folder, 'cert', 'key') }),
  }),
  open: (options, context) => new WebhookSource(options, context),
})
