import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { HeadraceError } from '../runtime/errors.ts'
import type { ClientTls } from './client-tls.ts'

/** Redirections that are followed for one answer. */
const REDIRECTIONS_MAX = 5
/** One connection is kept for each server that answers in between, and no longer than this, ms. */
const AGENT = { keepAlive: true, maxFreeSockets: 1, timeout: 60_000 } as const
/** RFC 9110, 15.4: these are asked for by GET, without the body; 307 and 308 as the first was. */
const BY_GET = [301, 302, 303]
const AS_BEFORE = [307, 308]

export interface HttpQuestion {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly tls: ClientTls
  /** Ends the exchange at any point. */
  readonly signal: AbortSignal
  readonly maxBytes: number
}

export interface HttpAnswer {
  readonly status: number
  /** Undefined where it is longer than `maxBytes`. */
  readonly body: Buffer | undefined
}

/**
 * Asks servers by Node's own client, over connections that are kept. Not by `fetch`: it takes no authority of its own, no certificate to show, and no name
 * and password.
 */
export class HttpExchange {
  readonly #agents = new Map<string, Agent>()

  /** Follows redirections; headers, which may hold secrets, go to no other server than the first. Rejects with what Node says. */
  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    let { url, method, headers, body } = question
    for (let asked = 0; asked <= REDIRECTIONS_MAX; asked++) {
      const response = await this.#once({ ...question, url, method, headers, body })
      const { statusCode: status = 0 } = response
      const { location } = response.headers
      const isElsewhere = location !== undefined && (BY_GET.includes(status) || AS_BEFORE.includes(status))
      if (!isElsewhere) return { status, body: await bodyOf(response, question.maxBytes) }
      response.destroy()
      const next = new URL(location, url)
      if (next.protocol !== 'http:' && next.protocol !== 'https:')
        throw new HeadraceError('source_failed', `leads to ${next.protocol}`)
      if (next.origin !== url.origin) headers = {}
      if (BY_GET.includes(status)) {
        method = 'GET'
        body = undefined
      }
      url = next
    }
    throw new HeadraceError('source_failed', `leads on more than ${REDIRECTIONS_MAX} times`)
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
  }

  /** Resolves when the answer begins. */
  async #once(question: HttpQuestion): Promise<IncomingMessage> {
    const { url, method, headers, body, tls, signal } = question
    // Loaded where something is asked: a program that imports it has 15 MiB more.
    const { request, Agent: Kept } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
    const agent = this.#agents.get(url.protocol) ?? new Kept(AGENT)
    this.#agents.set(url.protocol, agent)
    const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const options: RequestOptions & ClientTls = {
      method,
      agent,
      signal,
      ...tls,
      headers: { accept: '*/*', 'accept-encoding': 'gzip, br', 'user-agent': 'headrace', ...contentHeaders(body), ...own },
    }
    return new Promise((resolve, reject) => {
      const asked: ClientRequest = request(url, options, resolve)
      asked.on('error', error => {
        // It let go of a kept connection in the moment in which that was used: this says nothing of the server.
        const wasIdle = asked.reusedSocket && 'code' in error && error.code === 'ECONNRESET' && !signal.aborted
        if (wasIdle) this.#once(question).then(resolve, reject)
        else reject(error)
      })
      asked.end(body)
    })
  }
}

function contentHeaders(body: string | undefined): Record<string, string | number> {
  return body === undefined ? {} : { 'content-type': 'text/plain;charset=UTF-8', 'content-length': Buffer.byteLength(body) }
}

/** The body of an answer, unpacked, read no further than its limit; undefined where it is longer. */
async function bodyOf(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of unpacked(response)) {
    bytes += (part as Buffer).length
    // Leaving the loop ends the answer and its connection.
    if (bytes > maxBytes) return undefined
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts)
}

function unpacked(response: IncomingMessage): Readable {
  const packing = response.headers['content-encoding']?.toLowerCase() ?? 'identity'
  const unpack = { gzip: createGunzip, br: createBrotliDecompress }[packing]
  if (!unpack) return response
  const plain = unpack()
  response.once('error', error => plain.destroy(error))
  plain.once('close', () => response.destroy())
  return response.pipe(plain)
}
