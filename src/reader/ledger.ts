import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { openStateFile } from '../runtime/damaged-database.ts'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { writeTransaction } from '../runtime/write-transaction.ts'
import { LEDGER_VERSIONS } from './ledger-schema.ts'

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
/** A backfill reads what was read before, beside the job's offsets. */
export type RunKind = 'run' | 'backfill'

/** What is kept of a run beside what queries ask for. */
export interface RunDetails {
  readonly kind: RunKind
  /** The moment for which it is: when it was due, or first begun by hand, ms. The same however often it is repeated. */
  readonly atMs: number
  /** Made anew whenever the run is begun: by it a directory that appeared is known as this one's. */
  readonly token: string
  readonly attempts: number
  /** Records set aside as poison. */
  readonly dead: number
  /** Sources that were waited for in vain. */
  readonly missing: readonly string[]
  /** Where its files and manifest are when it is done, and where its log is. */
  readonly directory: string | null
  readonly log: string | null
  /** It was stopped with the core, which goes on with it when it is there again. */
  readonly interrupted: boolean
}

/** The moment at which a run was due, and up to when it is decided then what was due, ms. */
export interface Due {
  readonly dueMs: number
  readonly untilMs: number
}

/** Records that a job never had, because the log has them no more: `[first, next)`, accepted by an operator. */
export interface Loss {
  readonly source: string
  readonly first: number
  readonly next: number
  readonly acceptedMs: number
}

export interface PoisonRecord {
  readonly source: string
  readonly sequence: number
  readonly run: string
  readonly reason: string
}

export interface Run extends RunDetails {
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

/** Runs kept for each job; older ones are forgotten, their offsets are not. */
const RUNS_KEPT_PER_JOB = 1_000
/** Due moments that are remembered for each job, so that a clock that was set back makes none of them due again. */
const DUES_KEPT_PER_JOB = 10_000

const NO_DETAILS: RunDetails = {
  kind: 'run',
  atMs: 0,
  token: '',
  attempts: 1,
  dead: 0,
  missing: [],
  directory: null,
  log: null,
  interrupted: false,
}

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
  details: string
}

function toRun(row: RunRow): Run {
  return {
    ...NO_DETAILS,
    atMs: row.started,
    ...(JSON.parse(row.details) as Partial<RunDetails>),
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

const UNOPENED =
  'Look at the disk, and put a backup of the file in its place: jobs read what they have read since once more. Without one move it away (with -wal and -shm): each job goes on where its consumer group stands, and what is known of its runs is lost.'

/**
 * The authority on where batch jobs stand, on the core's disk: a SQLite file with an fsync at every commit. A job's offsets move in the same
 * transaction that marks its run as done.
 */
export class Ledger {
  readonly #db: Database.Database
  readonly #runsKept: number

  constructor(path: string, options: { readonly runsKeptPerJob?: number } = {}) {
    this.#runsKept = options.runsKeptPerJob ?? RUNS_KEPT_PER_JOB
    makeFolderDurably(dirname(path))
    this.#db = openStateFile({ path, what: 'the ledger of batch jobs', advice: UNOPENED }, openLedger)
  }

  offsets(job: string): Map<string, number> {
    const rows = this.#db
      .prepare<[string], { source: string; next: number }>('SELECT source, next FROM offsets WHERE job = ?')
      .all(job)
    return new Map(rows.map(row => [row.source, row.next]))
  }

  setOffsets(job: string, offsets: ReadonlyMap<string, number>): void {
    const set = this.#db.prepare('INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next')
    writeTransaction(this.#db, () => {
      for (const [source, next] of offsets) set.run(job, source, next)
    })
  }

  /**
   * Keeps a run before its command starts, and with it that what was `due` is decided; a run of the same id that did not end is the same run,
   * begun again.
   */
  begin(
    run: { id: string; job: string; ranges: readonly Range[]; startedMs: number; due?: Due | undefined } & Partial<RunDetails>,
  ): void {
    const { id, job, ranges, startedMs, due, ...details } = run
    writeTransaction(this.#db, () => {
      if (due) this.setDue(job, due)
      this.#db.prepare("DELETE FROM runs WHERE job = ? AND id = ? AND state <> 'done'").run(job, id)
      this.#db
        .prepare("INSERT INTO runs (id, job, state, ranges, started, details) VALUES (?, ?, 'running', ?, ?, ?)")
        .run(id, job, JSON.stringify(ranges), startedMs, JSON.stringify({ ...NO_DETAILS, atMs: startedMs, ...details }))
      this.#forgetOld(job)
    })
  }

  /** All jobs count their runs together, so that it is not by the number that one is old. The run that is to be repeated stays, whatever was run beside it. */
  #forgetOld(job: string): void {
    const oldest = this.#db
      .prepare<[string, number], { number: number }>(
        'SELECT number FROM runs WHERE job = ? ORDER BY number DESC LIMIT 1 OFFSET ?',
      )
      .get(job, this.#runsKept)
    if (!oldest) return
    this.#db
      .prepare('DELETE FROM runs WHERE job = ? AND number <= ? AND id <> ?')
      .run(job, oldest.number, this.lastRun(job)?.id ?? '')
  }

  /** The command did its work: its offsets move (not those of a backfill) and the run is done, both or neither. */
  complete(
    job: string,
    id: string,
    result: { endedMs: number; records: number; placeholders: number; dead?: number; attempts?: number },
  ): void {
    writeTransaction(this.#db, () => {
      const row = this.#db
        .prepare<[string, string], RunRow>("SELECT * FROM runs WHERE job = ? AND id = ? AND state <> 'done'")
        .get(job, id)
      if (!row) throw new HeadraceError('internal', `run ${id} of ${job} is not running`)
      const { kind, ranges, attempts: begun } = toRun(row)
      if (kind === 'run') this.setOffsets(job, new Map(ranges.map(range => [range.source, range.to])))
      const { endedMs, records, placeholders, dead = 0, attempts = begun } = result
      const details = JSON.stringify({ ...(JSON.parse(row.details) as RunDetails), dead, attempts })
      this.#db
        .prepare(
          "UPDATE runs SET state = 'done', ended = ?, exit_code = 0, error = NULL, records = ?, placeholders = ?, details = ? WHERE number = ?",
        )
        .run(endedMs, records, placeholders, details, row.number)
    })
  }

  fail(
    job: string,
    id: string,
    result: { endedMs: number; exitCode: number | null; error: string; attempts?: number; interrupted?: boolean },
  ): void {
    this.#db
      .prepare(
        `UPDATE runs SET state = 'failed', ended = ?, exit_code = ?, error = ?,
           details = json_set(details, '$.attempts', ?, '$.interrupted', json(?))
         WHERE job = ? AND id = ? AND state = 'running'`,
      )
      .run(result.endedMs, result.exitCode, result.error, result.attempts ?? 1, String(result.interrupted ?? false), job, id)
  }

  /** Runs of a job that went on when the process ended, and that nobody goes on with by himself, run no more. */
  endCutOff(job: string, kind: RunKind, endedMs: number): void {
    const what = kind === 'backfill' ? 'start it again with the same bounds' : 'the next run is this one again'
    this.#db
      .prepare(
        `UPDATE runs SET state = 'failed', ended = ?, error = ?, details = json_set(details, '$.interrupted', json('true'))
         WHERE job = ? AND state = 'running' AND json_extract(details, '$.kind') = ?`,
      )
      .run(endedMs, `the core ended while it ran; ${what}`, job, kind)
  }

  /** Newest first. */
  runs(job: string, limit: number): Run[] {
    return this.#db
      .prepare<[string, number], RunRow>('SELECT * FROM runs WHERE job = ? ORDER BY number DESC LIMIT ?')
      .all(job, limit)
      .map(toRun)
  }

  /** The latest of a job's own runs; a backfill is none of them. */
  lastRun(job: string): Run | undefined {
    const row = this.#db
      .prepare<[string], RunRow>(
        "SELECT * FROM runs WHERE job = ? AND coalesce(json_extract(details, '$.kind'), 'run') = 'run' ORDER BY number DESC LIMIT 1",
      )
      .get(job)
    return row && toRun(row)
  }

  /** Runs by id, whatever became of them; the newest first. */
  runsOf(job: string, id: string): Run[] {
    return this.#db
      .prepare<[string, string], RunRow>('SELECT * FROM runs WHERE job = ? AND id = ? ORDER BY number DESC')
      .all(job, id)
      .map(toRun)
  }

  /** Keeps which records of a run are bad; the reason that was given first stays. */
  addPoison(job: string, records: readonly PoisonRecord[]): void {
    const add = this.#db.prepare('INSERT INTO poison VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
    writeTransaction(this.#db, () => {
      for (const { source, sequence, run, reason } of records) add.run(job, source, sequence, run, reason)
    })
  }

  /** Bad records of a source in `[from, to)`, by sequence. */
  poison(job: string, source: string, from: number, to: number): PoisonRecord[] {
    return this.#db
      .prepare<[string, string, number, number], PoisonRecord>(
        'SELECT source, sequence, run, reason FROM poison WHERE job = ? AND source = ? AND sequence >= ? AND sequence < ? ORDER BY sequence',
      )
      .all(job, source, from, to)
  }

  /** The bad records of a job, at most `limit`, from the first behind `after`. */
  allPoison(
    job: string,
    limit: number,
    after: { source: string; sequence: number } = { source: '', sequence: -1 },
  ): PoisonRecord[] {
    return this.#db
      .prepare<[string, string, number, number], PoisonRecord>(
        'SELECT source, sequence, run, reason FROM poison WHERE job = ? AND (source, sequence) > (?, ?) ORDER BY source, sequence LIMIT ?',
      )
      .all(job, after.source, after.sequence, limit)
  }

  /** An operator takes it that these records are gone: the job goes on where `offsets` say, and that it does is kept. */
  acceptLosses(job: string, losses: readonly Loss[], offsets: ReadonlyMap<string, number>): void {
    const add = this.#db.prepare('INSERT INTO losses (job, source, first, next, accepted) VALUES (?, ?, ?, ?, ?)')
    writeTransaction(this.#db, () => {
      for (const { source, first, next, acceptedMs } of losses) add.run(job, source, first, next, acceptedMs)
      this.setOffsets(job, offsets)
    })
  }

  losses(job: string): Loss[] {
    return this.#db
      .prepare<[string], Loss>('SELECT source, first, next, accepted AS acceptedMs FROM losses WHERE job = ? ORDER BY number')
      .all(job)
  }

  /** Whether the run that was due at this moment has been begun before. */
  wasDue(job: string, dueMs: number): boolean {
    return this.#db.prepare('SELECT 1 FROM dues WHERE job = ? AND due = ?').get(job, dueMs) !== undefined
  }

  /** The run that was due at `dueMs` is begun, or let go: it is decided up to `untilMs`. */
  setDue(job: string, { dueMs, untilMs }: Due): void {
    writeTransaction(this.#db, () => {
      this.#db.prepare('INSERT INTO dues VALUES (?, ?) ON CONFLICT DO NOTHING').run(job, dueMs)
      this.#db
        .prepare(
          'DELETE FROM dues WHERE job = @job AND due <= (SELECT due FROM dues WHERE job = @job ORDER BY due DESC LIMIT 1 OFFSET @kept)',
        )
        .run({ job, kept: DUES_KEPT_PER_JOB })
      this.setDecidedUntil(job, untilMs)
    })
  }

  /** Where each source's partition ended when it was looked at; the oldest first. */
  retentionMarks(topic: string, partition: number): { seenMs: number; next: number }[] {
    return this.#db
      .prepare<[string, number], { seenMs: number; next: number }>(
        'SELECT seen AS seenMs, next FROM retention_marks WHERE topic = ? AND partition = ? ORDER BY seen',
      )
      .all(topic, partition)
  }

  /** Adds a mark for each place, and drops those older than `dropBeforeMs`. */
  setRetentionMarks(
    marks: readonly { topic: string; partition: number; seenMs: number; next: number; dropBeforeMs: number }[],
  ): void {
    const add = this.#db.prepare('INSERT INTO retention_marks VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
    const drop = this.#db.prepare('DELETE FROM retention_marks WHERE topic = ? AND partition = ? AND seen < ?')
    writeTransaction(this.#db, () => {
      for (const { topic, partition, seenMs, next, dropBeforeMs } of marks) {
        add.run(topic, partition, seenMs, next)
        drop.run(topic, partition, dropBeforeMs)
      }
    })
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

  close(): void {
    this.#db.close()
  }
}

function openLedger(path: string): Database.Database {
  const db = new Database(path)
  db.pragma('journal_mode = WAL')
  // better-sqlite3 opens WAL files with NORMAL: a power cut could take back what a job was told is done.
  db.pragma('synchronous = FULL')
  db.pragma('busy_timeout = 5000')
  const version = db.pragma('user_version', { simple: true }) as number
  if (version > LEDGER_VERSIONS.length) {
    throw new HeadraceError(
      'config_invalid',
      `${path} was written by a newer version (schema ${version}, this one knows ${LEDGER_VERSIONS.length})`,
      {
        advice: 'Start the newer version again, or restore the state directory from before the upgrade.',
      },
    )
  }
  writeTransaction(db, () => {
    for (const step of LEDGER_VERSIONS.slice(version)) db.exec(step)
    db.pragma(`user_version = ${LEDGER_VERSIONS.length}`)
  })
  return db
}
