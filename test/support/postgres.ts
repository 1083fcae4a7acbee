import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { endNow } from './kafka/java.ts'
import { until } from './until.ts'

const START_LIMIT_MS = 60_000

/** Debian's PostgreSQL with a cluster of its own on 127.0.0.1, as the user postgres where the tests run as root: it refuses to run as root. */
export class Postgres {
  readonly environment: Readonly<Record<string, string>>
  readonly #dir: string
  readonly #server: ChildProcess

  private constructor(dir: string, port: number, server: ChildProcess) {
    this.#dir = dir
    this.#server = server
    this.environment = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres', PGDATABASE: 'postgres' }
  }

  static async start(): Promise<Postgres> {
    const bin = globSync('/usr/lib/postgresql/*/bin').sort().at(-1)
    if (bin === undefined) throw new Error('the live tests need PostgreSQL (Debian: postgresql)')
    const dir = mkdtempSync(join(tmpdir(), 'headrace-postgres-'))
    const asUser = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : []
    if (asUser.length > 0) chownSync(dir, ...ownerOf('postgres'))
    const data = join(dir, 'data')
    const [init = '', ...initArgs] = [...asUser, `${bin}/initdb`, '-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync']
    const made = spawnSync(init, initArgs, { encoding: 'utf8', cwd: dir })
    if (made.status !== 0) throw new Error(`initdb failed:\n${made.stdout}${made.stderr}`)
    const port = await freePort()
    const [server = '', ...args] = [...asUser, `${bin}/postgres`, '-D', data, '-k', dir, '-h', '127.0.0.1', '-p', String(port)]
    const postgres = new Postgres(dir, port, spawn(server, args, { stdio: 'ignore', cwd: dir }))
    await until('PostgreSQL takes connections', () => postgres.query('SELECT 1') === '1', START_LIMIT_MS)
    return postgres
  }

  /** What a query gives, as psql prints it; undefined where it fails. */
  query(sql: string): string | undefined {
    const { status, stdout } = spawnSync('psql', ['--tuples-only', '--no-align', '--command', sql], {
      encoding: 'utf8',
      env: { ...process.env, ...this.environment },
    })
    return status === 0 ? stdout.trim() : undefined
  }

  async stop(): Promise<void> {
    await endNow(this.#server)
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

function ownerOf(user: string): [number, number] {
  const id = (flag: string) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout)
  return [id('-u'), id('-g')]
}
