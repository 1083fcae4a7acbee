import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../runtime/clock.ts'
import { CSRF_HEADER } from './guard.ts'
import { HttpError } from './http-error.ts'
import type { KnownUser, User, Users } from './users.ts'

const SESSION_COOKIE = 'headrace'
/** A session that nobody used for so long is over. */
const IDLE_LIMIT_MS = 12 * 3_600_000
const SESSIONS_MAX = 1_000
/** Log-ins that failed, from one address, within the window; past that it has to wait. */
const FAILURES_MAX = 5
const FAILURE_WINDOW_MS = 60_000
const ADDRESSES_MAX = 10_000
/** Log-ins worked out at once: each takes 64 MiB. */
const LOG_INS_AT_ONCE_MAX = 2

/** Everybody on this machine, where no users are declared. */
const LOCAL: User = { name: 'local', role: 'operator' }

interface Session {
  readonly name: string
  readonly mark: string
  usedAtMs: number
}

export interface Caller {
  readonly user: User
  /** What a change has to carry in its header. */
  readonly csrf: string
}

/** Who asks. Without a file of users everybody is local; with one, a cookie says who logged in. */
export class Sessions {
  readonly #users: Users | undefined
  readonly #clock: Clock
  readonly #isTls: boolean
  readonly #secret = randomBytes(32)
  readonly #sessions = new Map<string, Session>()
  readonly #failures = new Map<string, number[]>()
  #logInsNow = 0

  constructor(options: { users: Users | undefined; clock: Clock; isTls: boolean }) {
    this.#users = options.users
    this.#clock = options.clock
    this.#isTls = options.isTls
  }

  /** The caller, or undefined where a log-in is needed first: also where the user was taken out of the file since, or has another password. */
  caller(request: IncomingMessage): Caller | undefined {
    if (!this.#users) return { user: LOCAL, csrf: this.#csrf('local') }
    const id = cookieOf(request)
    const session = id === undefined ? undefined : this.#sessions.get(id)
    if (id === undefined || !session) return undefined
    const now = this.#clock.monotonicMs()
    if (now - session.usedAtMs > IDLE_LIMIT_MS) {
      this.#sessions.delete(id)
      return undefined
    }
    const known = this.#users.current(session.name)
    if (known?.mark !== session.mark) {
      this.#sessions.delete(id)
      return undefined
    }
    session.usedAtMs = now
    return { user: known.user, csrf: this.#csrf(id) }
  }

  /** Throws where the change does not carry the caller's token. */
  checkToken(request: IncomingMessage, caller: Caller): void {
    const given = Buffer.from(String(request.headers[CSRF_HEADER] ?? ''))
    const wanted = Buffer.from(caller.csrf)
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      throw new HttpError(403, 'the request carries no valid token', `Send the token of GET /api/session as ${CSRF_HEADER}.`)
    }
  }

  /** The id of a new session, for its cookie, and its user. Throws 401 where name or password are wrong, 429 after too many tries. */
  async logIn(address: string, name: string, password: string): Promise<{ user: User; id: string }> {
    if (!this.#users) throw new HttpError(404, 'no users are declared: nobody has to log in')
    const { user, mark } = await this.#authenticate(this.#users, address, name, password)
    this.#forgetIdle(this.#clock.monotonicMs())
    const id = randomBytes(32).toString('base64url')
    this.#sessions.set(id, { name: user.name, mark, usedAtMs: this.#clock.monotonicMs() })
    return { user, id }
  }

  /** For programs that cannot keep a cookie: HTTP Basic (RFC 7617) for one request. Throws 401 where it is missing or wrong. */
  async basic(request: IncomingMessage): Promise<void> {
    if (!this.#users) return
    const [scheme, encoded = ''] = (request.headers.authorization ?? '').split(' ')
    const text = Buffer.from(encoded, 'base64').toString('utf8')
    const at = text.indexOf(':')
    if (scheme?.toLowerCase() !== 'basic' || at < 0) throw new HttpError(401, 'give a name and a password (HTTP Basic)')
    await this.#authenticate(this.#users, request.socket.remoteAddress ?? '', text.slice(0, at), text.slice(at + 1))
  }

  async #authenticate(users: Users, address: string, name: string, password: string): Promise<KnownUser> {
    const now = this.#clock.monotonicMs()
    if (this.#failures.size >= ADDRESSES_MAX) this.#forgetFailures(now)
    const failures = (this.#failures.get(address) ?? []).filter(atMs => now - atMs < FAILURE_WINDOW_MS)
    const isBusy = this.#logInsNow >= LOG_INS_AT_ONCE_MAX || this.#failures.size >= ADDRESSES_MAX
    if (failures.length >= FAILURES_MAX || isBusy) throw new HttpError(429, 'too many log-ins', 'Wait a minute.')
    // Counted before it is known: tries side by side count as well.
    this.#failures.set(address, [...failures, now])
    this.#logInsNow += 1
    const known = await users.authenticate(name, password).finally(() => {
      this.#logInsNow -= 1
    })
    if (!known) throw new HttpError(401, 'name or password are wrong')
    this.#failures.delete(address)
    return known
  }

  /** Ends the caller's session; gives the cookie that forgets it. */
  logOut(request: IncomingMessage): string {
    const id = cookieOf(request)
    if (id !== undefined) this.#sessions.delete(id)
    return `${this.cookie(request, '')}; Max-Age=0`
  }

  #forgetIdle(now: number): void {
    for (const [id, { usedAtMs }] of this.#sessions) if (now - usedAtMs > IDLE_LIMIT_MS) this.#sessions.delete(id)
    this.#forgetFailures(now)
    const [oldest] = this.#sessions.keys()
    if (this.#sessions.size >= SESSIONS_MAX && oldest !== undefined) this.#sessions.delete(oldest)
  }

  #forgetFailures(now: number): void {
    for (const [address, atMs] of this.#failures)
      if (atMs.every(each => now - each >= FAILURE_WINDOW_MS)) this.#failures.delete(address)
  }

  /** What the browser is told to keep, and to send with each request from here on. */
  cookie(request: IncomingMessage, id: string): string {
    return `${sessionCookie(request)}=${id}; Path=/; HttpOnly; SameSite=Strict${this.#isTls ? '; Secure' : ''}`
  }

  #csrf(id: string): string {
    return createHmac('sha256', this.#secret).update(id).digest('base64url')
  }
}

/**
 * What the cookie is called. Browsers send a cookie to every port of a host: two consoles of one name for it, on two ports of a machine or at
 * two ends of a tunnel, would log each other's people out. The port is the one that the browser calls, which is not always that of this process.
 */
export function sessionCookie({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const port = /:(\d{1,5})$/.exec(headers.host ?? '')?.[1]
  return port === undefined ? SESSION_COOKIE : `${SESSION_COOKIE}-${port}`
}

function cookieOf(request: IncomingMessage): string | undefined {
  const name = sessionCookie(request)
  const cookies = (request.headers.cookie ?? '').split(';').map(each => each.trim())
  return cookies.find(each => each.startsWith(`${name}=`))?.slice(name.length + 1)
}
