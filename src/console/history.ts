import { rmSync } from 'node:fs'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import Database from 'better-sqlite3'
import type { Clock, Timer } from '../runtime/clock.ts'
import { DATABASE_ENDINGS, isDamagedDatabase } from '../runtime/damaged-database.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** One row for each minute of the last day. */
const STEP_MS = 60_000
const ROWS_MAX = 24 * 60
/** Rows that are unpacked before others may go on: a day of a thousand sources takes some tenths of a second. */
const ROWS_AT_ONCE = 20
/** Output limit of a row: 10,000 sources of the longest names fit. */
const ROW_BYTES_MAX = 4 * 2 ** 20

export interface HistoryPoint {
  readonly time_ms: number
  /** Records that came within the minute; of a job, those that it had not read then. */
  readonly records: number
}

/** What is looked at each minute. */
export interface HistoryLook {
  /** Next number, by source. */
  readonly ends: ReadonlyMap<string, number>
  /** Records that a job has not read, by job. */
  readonly lags: Readonly<Record<string, number>>
}

/** Whose points are asked for: of one source, of a job's lag, or of all sources together. */
export interface HistoryOf {
  readonly source?: string | undefined
  readonly job?: string | undefined
}

/** The last day, a row a minute, in a SQLite file that does not grow beyond it. What is lost of it is of no consequence: no fsync. */
export class History {
  #db: Database.Database
  readonly #path: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #look: () => Promise<HistoryLook>
  #before: ReadonlyMap<string, number> | undefined
  #timer: Timer | undefined

  constructor(options: { path: string; clock: Clock; logger: Logger; look: () => Promise<HistoryLook> }) {
    this.#clock = options.clock
    this.#logger = options.logger
    this.#look = options.look
    this.#path = options.path
    try {
      this.#db = openHistory(this.#path)
    } catch (error) {
      this.#db = this.#anew(error)
    }
  }

  /** What is not synced may be damaged by a power cut, and a day of curves is nothing that anybody should do without the console, or the process, for. */
  #anew(error: unknown): Database.Database {
    if (!isDamagedDatabase(error)) throw error
    this.#logger.warn({ path: this.#path, reason: messageOf(error) }, 'the history was damaged, and begins anew')
    for (const ending of DATABASE_ENDINGS) rmSync(`${this.#path}${ending}`, { force: true })
    return openHistory(this.#path)
  }

  start(): void {
    void this.#step()
  }

  close(): void {
    this.#timer?.cancel()
    this.#db.close()
  }

  /** Oldest first; a minute of which nothing is known has no point. */
  async points({ source, job }: HistoryOf): Promise<HistoryPoint[]> {
    if (job !== undefined) return this.#lagsOf(job)
    if (source !== undefined) return this.#ofSource(source)
    return this.#db
      .prepare<[number], HistoryPoint>('SELECT time AS time_ms, total AS records FROM rows WHERE time > ? ORDER BY time')
      .all(this.#dayAgoMs())
  }

  #lagsOf(job: string): HistoryPoint[] {
    return this.#db
      .prepare<[string, number], HistoryPoint>(
        'SELECT time AS time_ms, value AS records FROM rows, json_each(rows.lags) WHERE json_each.key = ? AND time > ? ORDER BY time',
      )
      .all(job, this.#dayAgoMs())
  }

  async #ofSource(source: string): Promise<HistoryPoint[]> {
    const rows = this.#db
      .prepare<[number], { time: number; body: Buffer }>('SELECT time, body FROM rows WHERE time > ? ORDER BY time')
      .all(this.#dayAgoMs())
    const points: HistoryPoint[] = []
    for (const [at, { time, body }] of rows.entries()) {
      const counts = JSON.parse(zstdDecompressSync(body, { maxOutputLength: ROW_BYTES_MAX }).toString()) as Record<string, number>
      points.push({ time_ms: time, records: counts[source] ?? 0 })
      if (at % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await new Promise(resolve => setImmediate(resolve))
    }
    return points
  }

  /** Rows are kept by their number: of a core that was away for a week they go further back. */
  #dayAgoMs(): number {
    return this.#thisMinuteMs() - ROWS_MAX * STEP_MS
  }

  #thisMinuteMs(): number {
    return Math.floor(this.#clock.wallMs() / STEP_MS) * STEP_MS
  }

  async #step(): Promise<void> {
    try {
      const look = await this.#look()
      if (this.#before) this.#write(this.#before, look)
      this.#before = look.ends
    } catch (error) {
      // What came meanwhile did not come within the minute after.
      this.#before = undefined
      if (isDamagedDatabase(error)) {
        this.#db.close()
        this.#db = this.#anew(error)
      }
      this.#logger.debug({}, `the history has a hole: ${messageOf(error)}`)
    }
    if (this.#db.open) this.#timer = this.#clock.after(STEP_MS, () => void this.#step(), 'background')
  }

  #write(before: ReadonlyMap<string, number>, { ends, lags }: HistoryLook): void {
    if (!this.#db.open) return
    const counts: Record<string, number> = {}
    for (const [source, end] of ends) {
      const more = end - (before.get(source) ?? end)
      if (more > 0) counts[source] = more
    }
    this.#db.transaction(() => {
      const total = Object.values(counts).reduce((sum, each) => sum + each, 0)
      const body = zstdCompressSync(JSON.stringify(counts))
      const timeMs = this.#thisMinuteMs()
      this.#db.prepare('INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)').run(timeMs, total, JSON.stringify(lags), body)
      // A clock that was ahead and was set right: what it left would be the newest, and outlast what comes.
      this.#db.prepare('DELETE FROM rows WHERE time > ?').run(timeMs)
      this.#db.prepare('DELETE FROM rows WHERE time NOT IN (SELECT time FROM rows ORDER BY time DESC LIMIT ?)').run(ROWS_MAX)
    })()
  }
}

function openHistory(path: string): Database.Database {
  const db = new Database(path)
  try {
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = OFF')
    db.exec(
      'DROP TABLE IF EXISTS minutes; CREATE TABLE IF NOT EXISTS rows (time INTEGER PRIMARY KEY, total INTEGER NOT NULL, lags TEXT NOT NULL, body BLOB NOT NULL) STRICT',
    )
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
