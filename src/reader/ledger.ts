import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { HeadraceError } from '../runtime/errors.ts'

/** Where a reader stands in one source's partition: the next sequence it has not had. */
export interface Range {
  /** `<gateway>/<source>` */
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

export type RunState = 'running' | 'done' | 'failed'

export interface Run {
  readonly id: string
  readonly job: string
  readonly state: RunState
  readonly ranges: readonly Range[]
  readonly startedMs: number
  readonly endedMs: number | null
  readonly exitCode: number | null
  readonly records: number
  readonly placeholders: number
  readonly error: string | null
}

const SCHEMA_VERSION = 1
/** Runs kept for each job; older ones are forgotten, their offsets are not. */
const RUNS_KEPT_PER_JOB = 1_000

const SCHEMA = `
  CREATE TABLE offsets (job TEXT NOT NULL, source TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (job, source)) WITHOUT ROWID, STRICT;
  CREATE TABLE runs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, ranges TEXT NOT NULL, started INTEGER NOT NULL,
    ended INTEGER, exit_code INTEGER, records INTEGER NOT NULL DEFAULT 0, placeholders INTEGER NOT NULL DEFAULT 0, error TEXT
  ) STRICT;
  CREATE INDEX runs_by_job ON runs (job, number);
  CREATE TABLE schedules (job TEXT PRIMARY KEY, decided_until INTEGER NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE checkpoints (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID, STRICT;
  CREATE TABLE outbox (number INTEGER PRIMARY KEY, alert TEXT NOT NULL, sink TEXT NOT NULL) STRICT;
`

interface RunRow {
  number: number
  id: string
  job: string
  state: RunState
  ranges: string
  started: number
  ended: number | null
  exit_code: number | null
  records: number
  placeholders: number
  error: string | null
}

function toRun(row: RunRow): Run {
  return {
    id: row.id,
    job: row.job,
    state: row.state,
    ranges: JSON.parse(row.ranges) as Range[],
    startedMs: row.started,
    endedMs: row.ended,
    exitCode: row.exit_code,
    records: row.records,
    placeholders: row.placeholders,
    error: row.error,
  }
}

/** An alert that was decided and not yet delivered. */
export interface OutboxEntry {
  readonly number: number
  readonly alert: string
  readonly sink: string
}

/**
 * The authority on where readers stand, on the core's disk: a SQLite file with an fsync at every commit. A job's offsets move in the same
 * transaction that marks its run as done; an analyser's state, its offsets and the alerts it raised are kept in one.
 */
export class Ledger {
  readonly #db: Database.Database

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true })
    this.#db = new Database(path)
    this.#db.pragma('journal_mode = WAL')
    // better-sqlite3 opens WAL files with NORMAL: a power cut could take back what a job was told is done.
    this.#db.pragma('synchronous = FULL')
    this.#db.pragma('busy_timeout = 5000')
    const version = this.#db.pragma('user_version', { simple: true }) as number
    if (version > SCHEMA_VERSION) {
      throw new HeadraceError(
        'config_invalid',
        `${path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`,
        {
          advice: 'Start the newer version again, or restore the state directory from before the upgrade.',
        },
      )
    }
    if (version === 0) {
      this.#db.transaction(() => {
        this.#db.exec(SCHEMA)
        this.#db.pragma(`user_version = ${SCHEMA_VERSION}`)
      })()
    }
  }

  offsets(job: string): Map<string, number> {
    const rows = this.#db
      .prepare<[string], { source: string; next: number }>('SELECT source, next FROM offsets WHERE job = ?')
      .all(job)
    return new Map(rows.map(row => [row.source, row.next]))
  }

  setOffsets(job: string, offsets: ReadonlyMap<string, number>): void {
    const set = this.#db.prepare('INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next')
    this.#db.transaction(() => {
      for (const [source, next] of offsets) set.run(job, source, next)
    })()
  }

  /** Keeps a run before its command starts; a run of the same id that did not end is the same run, begun again. */
  begin(run: { id: string; job: string; ranges: readonly Range[]; startedMs: number }): void {
    this.#db.transaction(() => {
      this.#db.prepare("DELETE FROM runs WHERE job = ? AND id = ? AND state <> 'done'").run(run.job, run.id)
      this.#db
        .prepare("INSERT INTO runs (id, job, state, ranges, started) VALUES (?, ?, 'running', ?, ?)")
        .run(run.id, run.job, JSON.stringify(run.ranges), run.startedMs)
      this.#db
        .prepare('DELETE FROM runs WHERE job = @job AND number <= (SELECT max(number) FROM runs WHERE job = @job) - @kept')
        .run({ job: run.job, kept: RUNS_KEPT_PER_JOB })
    })()
  }

  /** The command did its work: its offsets move and the run is done, both or neither. */
  complete(job: string, id: string, result: { endedMs: number; records: number; placeholders: number }): void {
    this.#db.transaction(() => {
      const row = this.#db
        .prepare<[string, string], RunRow>("SELECT * FROM runs WHERE job = ? AND id = ? AND state = 'running'")
        .get(job, id)
      if (!row) throw new HeadraceError('internal', `run ${id} of ${job} is not running`)
      this.setOffsets(job, new Map((JSON.parse(row.ranges) as Range[]).map(range => [range.source, range.to])))
      this.#db
        .prepare("UPDATE runs SET state = 'done', ended = ?, exit_code = 0, records = ?, placeholders = ? WHERE number = ?")
        .run(result.endedMs, result.records, result.placeholders, row.number)
    })()
  }

  fail(job: string, id: string, result: { endedMs: number; exitCode: number | null; error: string }): void {
    this.#db
      .prepare(
        "UPDATE runs SET state = 'failed', ended = ?, exit_code = ?, error = ? WHERE job = ? AND id = ? AND state = 'running'",
      )
      .run(result.endedMs, result.exitCode, result.error, job, id)
  }

  /** Newest first. */
  runs(job: string, limit: number): Run[] {
    return this.#db
      .prepare<[string, number], RunRow>('SELECT * FROM runs WHERE job = ? ORDER BY number DESC LIMIT ?')
      .all(job, limit)
      .map(toRun)
  }

  /** The wall-clock time up to which it has been decided whether the job was due, ms. */
  decidedUntil(job: string): number | undefined {
    return this.#db.prepare<[string], { decided_until: number }>('SELECT decided_until FROM schedules WHERE job = ?').get(job)
      ?.decided_until
  }

  setDecidedUntil(job: string, timeMs: number): void {
    this.#db
      .prepare('INSERT INTO schedules VALUES (?, ?) ON CONFLICT DO UPDATE SET decided_until = excluded.decided_until')
      .run(job, Math.floor(timeMs))
  }

  checkpoint(name: string): unknown {
    const row = this.#db.prepare<[string], { body: string }>('SELECT body FROM checkpoints WHERE name = ?').get(name)
    return row && JSON.parse(row.body)
  }

  /** Keeps an analyser's state with its offsets, and the alerts that led from the state before to this one. */
  setCheckpoint(name: string, body: unknown, alerts: readonly { alert: string; sink: string }[]): void {
    this.#db.transaction(() => {
      this.#db
        .prepare('INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body')
        .run(name, JSON.stringify(body))
      const add = this.#db.prepare('INSERT INTO outbox (alert, sink) VALUES (?, ?)')
      for (const { alert, sink } of alerts) add.run(alert, sink)
    })()
  }

  outbox(limit: number): OutboxEntry[] {
    return this.#db.prepare<[number], OutboxEntry>('SELECT number, alert, sink FROM outbox ORDER BY number LIMIT ?').all(limit)
  }

  delivered(number: number): void {
    this.#db.prepare('DELETE FROM outbox WHERE number = ?').run(number)
  }

  close(): void {
    this.#db.close()
  }
}
