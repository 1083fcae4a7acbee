import { randomUUID } from 'node:crypto'
import Database from 'better-sqlite3'
import { type EntryOf, type RegisterEntry, registerEntry } from './register-entries.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, gateway TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    -- The key that was enrolled with it: for that one alone it is good again. Empty: for none any more.
    key TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS certificates (
    fingerprint TEXT PRIMARY KEY, gateway TEXT NOT NULL, issued_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('allowed', 'revoked'))
  ) STRICT;
  CREATE INDEX IF NOT EXISTS certificates_of ON certificates (gateway);
  CREATE TABLE IF NOT EXISTS sessions (gateway TEXT PRIMARY KEY, newest INTEGER NOT NULL) STRICT;
  -- Where it is shared with other cores: with which journal, how far that was read, and as whom this register writes there.
  CREATE TABLE IF NOT EXISTS shared (
    only INTEGER PRIMARY KEY CHECK (only = 0), journal TEXT NOT NULL, next INTEGER NOT NULL, writer TEXT NOT NULL
  ) STRICT;
  -- What holds here already, and is not in the journal yet.
  CREATE TABLE IF NOT EXISTS unsent (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;
`
/** How long one process waits for another that writes, ms. */
const BUSY_LIMIT_MS = 2_000
/** Tokens that ended are forgotten after so long, ms. */
const TOKENS_KEPT_MS = 7 * 86_400_000

export interface CertificateRow {
  readonly fingerprint: string
  readonly gateway: string
  readonly issuedMs: number
  readonly endsMs: number
  readonly state: 'allowed' | 'revoked'
}

interface Position {
  readonly journal: string
  readonly next: number
  readonly writer: string
}

/** What an authority has issued and to whom; several processes may have it open. */
export class Register {
  readonly #db: Database.Database

  constructor(path: string) {
    this.#db = new Database(path, { timeout: BUSY_LIMIT_MS })
    this.#db.pragma('journal_mode = WAL')
    this.#db.pragma('synchronous = FULL')
    this.#db.exec(SCHEMA)
  }

  close(): void {
    this.#db.close()
  }

  /** Changes when another connection has written. */
  get version(): number {
    return this.#db.pragma('data_version', { simple: true }) as number
  }

  /** Does what an entry says; the number of rows that changed, 0 where it does not count. */
  apply(entry: RegisterEntry): number {
    switch (entry.kind) {
      case 'token':
        return this.#addToken(entry)
      case 'use':
        return this.#useToken(entry)
      case 'certificate':
        return this.#isGood(entry) ? this.#addCertificate({ ...entry, state: 'allowed' }) : 0
      case 'state':
        return this.#setState(entry)
      case 'session':
        return this.#enterSession(entry)
      case 'kept token':
        return this.#run(KEEP_TOKEN, entry.hash, entry.gateway, entry.expiresMs, entry.key)
      case 'kept certificate':
        return this.#addCertificate(entry)
    }
  }

  /** Whether an entry counts, by what is known here now. */
  wouldCount(entry: RegisterEntry): boolean {
    this.#db.exec('BEGIN')
    try {
      return this.apply(entry) > 0
    } finally {
      this.#db.exec('ROLLBACK')
    }
  }

  /** Does what an entry says at once; where the register is shared, the others hear of it later. */
  intend(entry: RegisterEntry): number {
    return this.#db.transaction(() => {
      const changed = this.apply(entry)
      if (this.position) this.#run('INSERT INTO unsent (entry) VALUES (?)', JSON.stringify(entry))
      return changed
    })()
  }

  /** With which journal it is shared, and how far that was read; undefined where this core is alone. */
  get position(): Position | undefined {
    return this.#db.prepare('SELECT journal, next, writer FROM shared').get() as Position | undefined
  }

  /** From here on it is what that journal says: all that is here is to be said there first. */
  share(journal: string): void {
    this.#db.transaction(() => {
      this.#run('INSERT OR REPLACE INTO shared VALUES (0, ?, 0, ?)', journal, randomUUID())
      this.#run('DELETE FROM unsent')
      for (const entry of this.#everything()) this.#run('INSERT INTO unsent (entry) VALUES (?)', JSON.stringify(entry))
    })()
  }

  /** Takes what came from the journal, up to `next`; the numbers of rows that each changed. */
  take(entries: readonly (RegisterEntry | undefined)[], next: number): readonly number[] {
    return this.#db.transaction(() => {
      const changed = entries.map(entry => (entry ? this.apply(entry) : 0))
      this.#run('UPDATE shared SET next = ?', next)
      return changed
    })()
  }

  /** The same from the journal's beginning, in the place of what is here; what it does not have yet holds all the same. */
  rebuild(entries: readonly (RegisterEntry | undefined)[], next: number): readonly number[] {
    return this.#db.transaction(() => {
      for (const table of ['tokens', 'certificates', 'sessions']) this.#run(`DELETE FROM ${table}`)
      const changed = this.take(entries, next)
      for (const entry of this.#allUnsent()) this.apply(entry)
      return changed
    })()
  }

  /** The first of those entries that the journal does not have. */
  unsent(): { readonly number: number; readonly entry: RegisterEntry } | undefined {
    const row = this.#db.prepare('SELECT number, entry FROM unsent ORDER BY number LIMIT 1').get() as
      | { number: number; entry: string }
      | undefined
    return row && { number: row.number, entry: registerEntry.parse(JSON.parse(row.entry)) }
  }

  sent(number: number): void {
    this.#run('DELETE FROM unsent WHERE number = ?', number)
  }

  find(fingerprint: string): CertificateRow | undefined {
    return this.#db.prepare(`${SELECT} WHERE fingerprint = ?`).get(fingerprint) as CertificateRow | undefined
  }

  list(): CertificateRow[] {
    return this.#db.prepare(`${SELECT} ORDER BY gateway, issued_ms`).all() as CertificateRow[]
  }

  knows(gateway: string): boolean {
    return this.#db.prepare('SELECT 1 FROM certificates WHERE gateway = ? LIMIT 1').get(gateway) !== undefined
  }

  /** Tokens of the gateway that are good, for whoever comes first or has come. */
  goodTokens(gateway: string, atMs: number): number {
    const sql = "SELECT COUNT(*) AS count FROM tokens WHERE gateway = ? AND expires_ms >= ? AND key IS NOT ''"
    return (this.#db.prepare(sql).get(gateway, atMs) as { count: number }).count
  }

  /** The newest session that the gateway proved. */
  newestSession(gateway: string): number | undefined {
    return (this.#db.prepare('SELECT newest FROM sessions WHERE gateway = ?').get(gateway) as { newest: number } | undefined)
      ?.newest
  }

  #addToken({ hash, gateway, expiresMs, atMs }: EntryOf<'token'>): number {
    this.#run('DELETE FROM tokens WHERE expires_ms < ?', atMs - TOKENS_KEPT_MS)
    return this.#run('INSERT OR IGNORE INTO tokens (hash, gateway, expires_ms) VALUES (?, ?, ?)', hash, gateway, expiresMs)
  }

  /** In one statement: two at once cannot both have it. */
  #useToken({ hash, gateway, key, atMs }: EntryOf<'use'>): number {
    return this.#run(
      'UPDATE tokens SET key = ? WHERE hash = ? AND gateway = ? AND expires_ms >= ? AND (key IS NULL OR key = ?)',
      ...[key, hash, gateway, atMs, key],
    )
  }

  #isGood({ gateway, by }: EntryOf<'certificate'>): boolean {
    const good =
      'token' in by
        ? this.#db.prepare('SELECT 1 FROM tokens WHERE hash = ? AND key = ? AND gateway = ?').get(by.token, by.key, gateway)
        : this.#db.prepare(`${SELECT} WHERE fingerprint = ? AND gateway = ? AND state = 'allowed'`).get(by.certificate, gateway)
    return good !== undefined
  }

  #addCertificate({ fingerprint, gateway, issuedMs, endsMs, state }: CertificateRow): number {
    return this.#run(KEEP_CERTIFICATE, fingerprint, gateway, issuedMs, endsMs, state)
  }

  #setState({ gateway, state, atMs }: EntryOf<'state'>): number {
    if (state === 'revoked') this.#run("UPDATE tokens SET key = '' WHERE gateway = ? AND expires_ms >= ?", gateway, atMs)
    return this.#run('UPDATE certificates SET state = ? WHERE gateway = ? AND state != ?', state, gateway, state)
  }

  #enterSession({ gateway, session }: EntryOf<'session'>): number {
    return this.#run(
      'INSERT INTO sessions (gateway, newest) VALUES (?, ?) ON CONFLICT (gateway) DO UPDATE SET newest = excluded.newest WHERE excluded.newest > newest',
      ...[gateway, session],
    )
  }

  #allUnsent(): RegisterEntry[] {
    const rows = this.#db.prepare('SELECT entry FROM unsent ORDER BY number').all() as { entry: string }[]
    return rows.map(({ entry }) => registerEntry.parse(JSON.parse(entry)))
  }

  #everything(): RegisterEntry[] {
    const tokens = this.#db.prepare('SELECT hash, gateway, expires_ms AS expiresMs, key FROM tokens').all()
    const sessions = this.#db.prepare('SELECT gateway, newest AS session FROM sessions').all()
    return [
      ...tokens.map(row => ({ kind: 'kept token', ...(row as object) }) as EntryOf<'kept token'>),
      ...this.list().map(row => ({ kind: 'kept certificate', ...row }) as const),
      ...sessions.map(row => ({ kind: 'session', ...(row as object) }) as EntryOf<'session'>),
    ]
  }

  #run(sql: string, ...values: readonly (string | number | null)[]): number {
    return this.#db.prepare(sql).run(...values).changes
  }
}

const SELECT = 'SELECT fingerprint, gateway, issued_ms AS issuedMs, ends_ms AS endsMs, state FROM certificates'
/** Of two registers that know of one certificate, the one that revoked it is right. */
const KEEP_CERTIFICATE = `INSERT INTO certificates (fingerprint, gateway, issued_ms, ends_ms, state) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (fingerprint) DO UPDATE SET state = excluded.state WHERE excluded.state = 'revoked' AND state != 'revoked'`
const KEEP_TOKEN = `INSERT INTO tokens (hash, gateway, expires_ms, key) VALUES (?, ?, ?, ?)
  ON CONFLICT (hash) DO UPDATE SET key = excluded.key WHERE excluded.key = '' OR key IS NULL`
