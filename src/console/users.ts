import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { writeDurably } from '../buffer/durable-file.ts'
import { fileReasonOf, HeadraceError } from '../runtime/errors.ts'

/** What a user may do: look; or look and act. */
export const ROLES = ['viewer', 'operator'] as const
export type UserRole = (typeof ROLES)[number]

/** Cost of a guess (RFC 7914): about 100 ms and 64 MiB on a small machine. */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 2 ** 20 }
const KEY_BYTES = 32
const SALT_BYTES = 16
export const PASSWORD_LENGTH_MIN = 10

const userSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  role: z.enum(ROLES),
  salt: z.base64(),
  key: z.base64(),
})
const fileSchema = z.strictObject({ version: z.literal(1), users: z.array(userSchema).max(1_000) })
type StoredUser = z.output<typeof userSchema>

export interface User {
  readonly name: string
  readonly role: UserRole
}

/** A user who gave the right password, and a mark that is another once the user has another password. */
export interface KnownUser {
  readonly user: User
  readonly mark: string
}

/** Those who may log in, from a file; it is read anew at each log-in, and looked at with each request: a user who is taken out is out. */
export class Users {
  readonly #path: string
  /** What the file held, and of which state of it: read with each request it would cost more than the request. */
  #seen: { readonly state: string; readonly users: ReadonlyMap<string, KnownUser> } | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Throws `config_unreadable` where the file cannot be read: said at the start, and not once somebody wants to log in. */
  check(): void {
    this.#read()
  }

  /** The user as the file has it now; undefined where it has none of that name. */
  current(name: string): KnownUser | undefined {
    const { ino, size, mtimeMs } = statSync(this.#path, { throwIfNoEntry: false }) ?? {}
    const state = `${ino} ${size} ${mtimeMs}`
    if (this.#seen?.state !== state)
      this.#seen = { state, users: new Map(this.#read().map(user => [user.name, knownUser(user)])) }
    return this.#seen.users.get(name)
  }

  /** The user, or undefined where name or password are wrong; both take as long. */
  async authenticate(name: string, password: string): Promise<KnownUser | undefined> {
    const user = this.#read().find(each => each.name === name)
    const salt = Buffer.from(user?.salt ?? '', 'base64')
    const key = await derive(password, user ? salt : randomBytes(SALT_BYTES))
    if (!user || !timingSafeEqual(key, Buffer.from(user.key, 'base64'))) return undefined
    return knownUser(user)
  }

  /** Adds a user, or gives one another password and role. */
  async put(name: string, role: UserRole, password: string): Promise<void> {
    const salt = randomBytes(SALT_BYTES)
    const key = await derive(password, salt)
    const user = userSchema.parse({ name, role, salt: salt.toString('base64'), key: key.toString('base64') })
    const others = this.#readOrNone().filter(each => each.name !== name)
    writeDurably(this.#path, `${JSON.stringify({ version: 1, users: [...others, user] }, null, 2)}\n`)
  }

  #readOrNone(): StoredUser[] {
    try {
      return this.#read()
    } catch (error) {
      if (error instanceof HeadraceError && (error.cause as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  #read(): StoredUser[] {
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#path, 'utf8'))).users
    } catch (cause) {
      throw new HeadraceError(
        'config_unreadable',
        `${this.#path} (users of the console) cannot be read: ${fileReasonOf(cause)}`,
        {
          advice: 'Make it with `headrace console add-user`.',
          cause,
        },
      )
    }
  }
}

function knownUser({ name, role, key }: StoredUser): KnownUser {
  return { user: { name, role }, mark: key }
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, SCRYPT, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
