import type { IncomingMessage } from 'node:http'
import { HttpError } from './http-error.ts'
import { hostOf, isLoopback } from './options.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD'])
/** The header that a page of ours sends with each change; a form of somebody else's page cannot. */
export const CSRF_HEADER = 'x-headrace-csrf'

/** Headers of every answer: nothing from elsewhere is loaded, nobody frames it, nothing is kept by a cache. */
export function securityHeaders(scriptHashes: readonly string[], isTls: boolean): Record<string, string> {
  const scripts = ["'self'", ...scriptHashes.map(hash => `'sha256-${hash}'`)].join(' ')
  return {
    'content-security-policy': `default-src 'none'; script-src ${scripts}; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    ...(isTls && { 'strict-transport-security': 'max-age=31536000' }),
  }
}

/** Refuses requests that a browser makes on behalf of another site: a wrong Host (DNS rebinding) or a foreign Origin. */
export class RequestGuard {
  readonly #names: ReadonlySet<string>
  readonly #anyLoopback: boolean

  constructor(listen: string, hosts: readonly string[]) {
    const own = hostOf(listen)
    this.#anyLoopback = isLoopback(own)
    this.#names = new Set([own, ...hosts].map(host => host.toLowerCase()))
  }

  check(request: IncomingMessage): void {
    const host = request.headers.host?.toLowerCase() ?? ''
    const name = host.replace(/:\d+$/, '')
    if (!this.#names.has(name) && !(this.#anyLoopback && isLoopback(name))) {
      throw new HttpError(421, `this console does not answer to the name "${name}"`, 'List it in `console.hosts`.')
    }
    if (SAFE_METHODS.has(request.method ?? 'GET')) return
    const { origin } = request.headers
    if (origin !== undefined && URL.parse(origin)?.host !== host) {
      throw new HttpError(403, 'this request comes from a page of another site')
    }
  }
}
