import { z } from 'zod'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { readToken } from './bearer-token.ts'
import { clientTlsOptions, readClientTls, tlsWithin, whyRefused } from './client-tls.ts'
import { HttpExchange } from './http-exchange.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

/** Between rounds that failed, ms; never shorter than the interval. */
const FAILED_AGAIN_AFTER = { firstMs: 250, maxMs: 60_000 }

export const httpOptions = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('What is asked, http:// or https://.'),
    every: duration({ min: '50ms', max: '30d' }).default(10_000).describe('How often.'),
    timeout: duration({ min: '10ms', max: '10m' }).default(10_000).describe('How long an answer may take.'),
    method: z.enum(['GET', 'POST']).default('GET').describe('How.'),
    headers: z.record(z.string().min(1), z.string()).default({}).describe('Headers of the request.'),
    body: z.string().max(100_000).optional().describe('Body of the request.'),
    bearer_file: z
      .string()
      .min(1)
      .optional()
      .describe('File with a token, sent as `Authorization: Bearer …`; read anew each time.'),
    username: z.string().min(1).optional().describe('User at the server (basic authentication).'),
    password_file: z.string().min(1).optional().describe('File with the password; read anew each time.'),
    tls: clientTlsOptions.optional().describe('For https://; its files are read anew each time.'),
    max_bytes: size({ min: '1B', max: '900KB' }).default(900_000).describe('A longer answer is left out and counted.'),
  })
  .refine(
    ({ username, password_file }) => (username === undefined) === (password_file === undefined),
    'needs both `username` and `password_file`, or neither',
  )
  .refine(({ username, bearer_file }) => username === undefined || bearer_file === undefined, 'needs either a token or a user')
  .refine(({ url, tls }) => tls === undefined || url.startsWith('https:'), 'has `tls`, so that `url` has to be https://')
export type HttpOptions = z.output<typeof httpOptions>

/** Asks a server again and again; the body of each good answer is one record. */
class HttpSource extends LoopingSource {
  readonly #options: HttpOptions
  readonly #context: SourceContext
  readonly #exchange = new HttpExchange()

  constructor(options: HttpOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  override async stop(): Promise<void> {
    await super.stop()
    this.#exchange.close()
  }

  protected override async run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.stopping
    const { every } = this.#options
    const backoff = new Backoff(FAILED_AGAIN_AFTER, random)
    let dueMs = clock.monotonicMs()
    while (!signal.aborted) {
      await this.gate.passed()
      if (signal.aborted) return
      this.#context.turn(this.#options.timeout)
      const failed = await this.#ask()
      if (signal.aborted) return
      if (failed === undefined) {
        backoff.reset()
        this.#context.state('reading')
      } else {
        this.#context.trouble('a request failed')
        this.#context.state('waiting', failed)
      }
      // Rounds keep their raster; one that took too long leaves out what it missed.
      dueMs = Math.max(dueMs + Math.max(every, failed === undefined ? 0 : backoff.nextMs()), clock.monotonicMs())
      this.#context.turn(dueMs - clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal).catch(() => {})
    }
  }

  /** One request; gives what went wrong. */
  async #ask(): Promise<string | undefined> {
    const { url, method, headers, body, timeout, tls, max_bytes: maxBytes } = this.#options
    const { clock } = this.#context
    const limit = new AbortController()
    const timer = clock.after(timeout, () => limit.abort(new Error(`no answer after ${timeout} ms`)))
    const signal = AbortSignal.any([limit.signal, this.stopping.signal])
    try {
      const question = { url: new URL(url), method, headers: { ...headers, ...this.#authorization() }, body, signal, maxBytes }
      const answer = await this.#exchange.ask({ ...question, tls: readClientTls(tls) })
      if (answer.status < 200 || answer.status >= 300) return `${url} answers ${answer.status}`
      if (answer.body === undefined) this.#context.trouble('an answer was too long')
      else if (answer.body.length > 0) this.#context.message(answer.body, clock.wallMs())
      return undefined
    } catch (error) {
      return `${url}: ${signal.aborted ? messageOf(signal.reason) : whyRefused(error, tls, clock.wallMs())}`
    } finally {
      timer.cancel()
    }
  }

  #authorization(): Record<string, string> {
    const { bearer_file: bearerFile, username, password_file: passwordFile } = this.#options
    if (bearerFile !== undefined) return { authorization: `Bearer ${readToken(bearerFile)}` }
    if (username === undefined || passwordFile === undefined) return {}
    return { authorization: `Basic ${Buffer.from(`${username}:${readToken(passwordFile)}`).toString('base64')}` }
  }
}

/** A server that is asked over HTTP. */
export const http = defineSource({
  kind: 'http',
  summary: 'Asks a URL at intervals; the body of each answer is one record.',
  options: httpOptions,
  gives: 'messages',
  whenFull: 'block',
  within: ({ tls, ...options }, folder) => ({
    ...pathsWithin(options, folder, 'bearer_file', 'password_file'),
    ...(tls && { tls: tlsWithin(tls, folder) }),
  }),
  rate: ({ every }) => 1_000 / every,
  open: (options, context) => new HttpSource(options, context),
})
