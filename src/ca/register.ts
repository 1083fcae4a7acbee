import Database from 'better-sqlite3'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, gateway TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    -- The key that was enrolled with it: for that one alone it is good again.
    key TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS certificates (
    fingerprint TEXT PRIMARY KEY, gateway TEXT NOT NULL, issued_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('allowed', 'revoked'))
  ) STRICT;
  CREATE INDEX IF NOT EXISTS certificates_of ON certificates (gateway);
  CREATE TABLE IF NOT EXISTS sessions (gateway TEXT PRIMARY KEY, newest INTEGER NOT NULL) STRICT;
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

  addToken({ hash, gateway, expiresMs }: { hash: string; gateway: string; expiresMs: number }, nowMs: number): void {
    this.#db.prepare('DELETE FROM tokens WHERE expires_ms < ?').run(nowMs - TOKENS_KEPT_MS)
    this.#db.prepare('INSERT INTO tokens (hash, gateway, expires_ms) VALUES (?, ?, ?)').run(hash, gateway, expiresMs)
  }

  /** In one statement: two at once cannot both have it. */
  useToken({ hash, gateway, key }: { hash: string; gateway: string; key: string }, nowMs: number): boolean {
    const used = this.#db
      .prepare('UPDATE tokens SET key = ? WHERE hash = ? AND gateway = ? AND expires_ms >= ? AND (key IS NULL OR key = ?)')
      .run(key, hash, gateway, nowMs, key)
    return used.changes === 1
  }

  addCertificate({ fingerprint, gateway, issuedMs, endsMs, state }: CertificateRow): void {
    this.#db
      .prepare('INSERT INTO certificates (fingerprint, gateway, issued_ms, ends_ms, state) VALUES (?, ?, ?, ?, ?)')
      .run(fingerprint, gateway, issuedMs, endsMs, state)
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

  setState(gateway: string, state: CertificateRow['state'], nowMs: number): number {
    return this.#db.transaction(() => {
      if (state === 'revoked') this.#db.prepare('DELETE FROM tokens WHERE gateway = ? AND expires_ms >= ?').run(gateway, nowMs)
      return this.#db.prepare('UPDATE certificates SET state = ? WHERE gateway = ? AND state != ?').run(state, gateway, state)
        .changes
    })()
  }

  /** Undefined where the session is newer than all that are known; else the newest. */
  enterSession(gateway: string, session: number): number | undefined {
    const entered = this.#db
      .prepare(
        'INSERT INTO sessions (gateway, newest) VALUES (?, ?) ON CONFLICT (gateway) DO UPDATE SET newest = excluded.newest WHERE excluded.newest > newest',
      )
      .run(gateway, session)
    if (entered.changes === 1) return undefined
    return (this.#db.prepare('SELECT newest FROM sessions WHERE gateway = ?').get(gateway) as { newest: number }).newest
  }
}

const SELECT = 'SELECT fingerprint, gateway, issued_ms AS issuedMs, ends_ms AS endsMs, state FROM certificates'
