import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import Database from 'better-sqlite3'
import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** One row for each minute of the last day. */
const STEP_MS = 60_000
const ROWS_MAX = 24 * 60
/** Output limit of a row: 10,000 sources of the longest names fit. */
const ROW_BYTES_MAX = 4 * 2 ** 20

/** How many records each source brought in a minute. */
export interface HistoryPoint {
  readonly timeMs: number
  readonly records: number
}

/** The last day, a row a minute, in a SQLite file that does not grow beyond it. What is lost of it is of no consequence: no fsync. */
export class History {
  readonly #db: Database.Database
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #ends: () => Promise<ReadonlyMap<string, number>>
  #before: ReadonlyMap<string, number> | undefined
  #timer: Timer | undefined

  constructor(options: { path: string; clock: Clock; logger: Logger; ends: () => Promise<ReadonlyMap<string, number>> }) {
    this.#clock = options.clock
    this.#logger = options.logger
    this.#ends = options.ends
    this.#db = new Database(options.path)
    this.#db.pragma('journal_mode = WAL')
    this.#db.pragma('synchronous = OFF')
    this.#db.exec('CREATE TABLE IF NOT EXISTS minutes (time INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT')
  }

  start(): void {
    void this.#step()
  }

  close(): void {
    this.#timer?.cancel()
    this.#db.close()
  }

  /** Records by minute of one source, or of all; oldest first. */
  points(source: string | undefined): HistoryPoint[] {
    const rows = this.#db.prepare<[], { time: number; body: Buffer }>('SELECT time, body FROM minutes ORDER BY time').all()
    return rows.map(({ time, body }) => {
      const counts = JSON.parse(zstdDecompressSync(body, { maxOutputLength: ROW_BYTES_MAX }).toString()) as Record<string, number>
      const records = source === undefined ? Object.values(counts).reduce((sum, each) => sum + each, 0) : (counts[source] ?? 0)
      return { timeMs: time, records }
    })
  }

  async #step(): Promise<void> {
    try {
      const ends = await this.#ends()
      if (this.#before) this.#write(this.#before, ends)
      this.#before = ends
    } catch (error) {
      this.#logger.debug({}, `the history has a hole: ${messageOf(error)}`)
    }
    if (this.#db.open) this.#timer = this.#clock.after(STEP_MS, () => void this.#step(), 'background')
  }

  #write(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): void {
    if (!this.#db.open) return
    const counts: Record<string, number> = {}
    for (const [source, end] of now) {
      const more = end - (before.get(source) ?? end)
      if (more > 0) counts[source] = more
    }
    this.#db.transaction(() => {
      const body = zstdCompressSync(JSON.stringify(counts))
      this.#db
        .prepare('INSERT OR REPLACE INTO minutes VALUES (?, ?)')
        .run(Math.floor(this.#clock.wallMs() / STEP_MS) * STEP_MS, body)
      this.#db
        .prepare('DELETE FROM minutes WHERE time NOT IN (SELECT time FROM minutes ORDER BY time DESC LIMIT ?)')
        .run(ROWS_MAX)
    })()
  }
}
