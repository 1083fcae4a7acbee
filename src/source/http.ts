import { z } from 'zod'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { readToken } from './bearer-token.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

/** Between rounds that failed, ms; never shorter than the interval. */
const FAILED_AGAIN_AFTER = { firstMs: 250, maxMs: 60_000 }
/** What the HTTP library says is often only "fetch failed"; the reason lies beneath. */
const reasonOf = (error: unknown) => messageOf((error as { cause?: unknown }).cause ?? error)

export const httpOptions = z.strictObject({
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
  max_bytes: size({ min: '1B', max: '900KB' }).default(900_000).describe('A longer answer is left out and counted.'),
})
export type HttpOptions = z.output<typeof httpOptions>

/** Asks a server again and again; the body of each good answer is one record. */
class HttpSource extends LoopingSource {
  readonly #options: HttpOptions
  readonly #context: SourceContext

  constructor(options: HttpOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
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
    const { url, method, headers, body, bearer_file, timeout, max_bytes } = this.#options
    const limit = new AbortController()
    const timer = this.#context.clock.after(timeout, () => limit.abort(new Error(`no answer after ${timeout} ms`)))
    const signal = AbortSignal.any([limit.signal, this.stopping.signal])
    try {
      const token = bearer_file === undefined ? {} : { authorization: `Bearer ${readToken(bearer_file)}` }
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...token },
        signal,
        ...(body !== undefined && { body }),
      })
      const timeMs = this.#context.clock.wallMs()
      const bytes = await bodyOf(response, max_bytes)
      if (!response.ok) return `${url} answers ${response.status}`
      if (bytes === undefined) this.#context.trouble('an answer was too long')
      else if (bytes.length > 0) this.#context.message(bytes, timeMs)
      return undefined
    } catch (error) {
      return `${url}: ${signal.aborted ? messageOf(signal.reason) : reasonOf(error)}`
    } finally {
      timer.cancel()
    }
  }
}

/** The body of an answer, read no further than its limit; undefined where it is longer. */
async function bodyOf(response: Response, maxBytes: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > maxBytes) return undefined
    parts.push(Buffer.from(part))
  }
  return Buffer.concat(parts)
}

/** A server that is asked over HTTP. */
export const http = defineSource({
  kind: 'http',
  summary: 'Asks a URL at intervals; the body of each answer is one record.',
  options: httpOptions,
  gives: 'messages',
  whenFull: 'block',
  within: (options, folder) => pathsWithin(options, folder, 'bearer_file'),
  rate: ({ every }) => 1_000 / every,
  open: (options, context) => new HttpSource(options, context),
})
