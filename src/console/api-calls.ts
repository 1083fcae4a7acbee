import type { ControlCalls, ControlHandler } from './control-server.ts'
import { HttpError } from './http-error.ts'
import { API_ROUTES, type ApiRoute, type Side } from './routes.ts'
import type { User } from './users.ts'

/** A request that was matched, checked and may be carried out. */
export interface FoundCall {
  readonly isStream: boolean
  call(signal: AbortSignal): ReturnType<ControlHandler>
}

interface Entry {
  readonly route: ApiRoute
  readonly pattern: RegExp
  readonly handler: ControlHandler
}

/** The API's routes that the processes shown here can answer. */
export class ApiCalls {
  readonly sides: readonly Side[]
  readonly #entries: readonly Entry[]

  constructor(sides: Readonly<Partial<Record<Side, ControlCalls>>>) {
    this.sides = (['core', 'edge'] as const).filter(side => sides[side])
    this.#entries = API_ROUTES.flatMap(route => {
      const handler = sides[route.side]?.[route.call]
      return handler ? [{ route, handler, pattern: patternOf(route.path) }] : []
    })
  }

  /** Throws 404, 405, 403 (the user's role does not reach), or 400 with the parameter that is wrong. */
  find(method: string, path: string, given: Readonly<Record<string, unknown>>, user: User): FoundCall {
    const matching = this.#entries.filter(({ pattern }) => pattern.test(path))
    if (matching.length === 0) throw new HttpError(404, `there is nothing at ${path}`, 'See /api/openapi.json.')
    const entry = matching.find(({ route }) => route.method === (method === 'HEAD' ? 'GET' : method))
    if (!entry) throw new HttpError(405, `${path} takes ${matching.map(({ route }) => route.method).join(', ')}`)
    const { route, pattern, handler } = entry
    if (route.role === 'operator' && user.role !== 'operator') {
      throw new HttpError(403, `${user.name} may look, not act`, 'Ask an operator.')
    }
    const inPath = Object.fromEntries(
      Object.entries(pattern.exec(path)?.groups ?? {}).map(([name, text]) => [name, decoded(text)]),
    )
    const parsed = route.parameters.safeParse({ ...given, ...inPath })
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new HttpError(400, `${issue?.path.join('.') || 'parameters'}: ${issue?.message}`)
    }
    return {
      isStream: route.stream === true,
      call: signal => handler(route.signed ? { ...parsed.data, by: user.name } : parsed.data, signal),
    }
  }
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]{1,200})')}$`)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HttpError(400, 'the address is not encoded rightly')
  }
}
