import Database from 'better-sqlite3'
import type { Alert } from '../../analyser/analyser.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { matchesGlob, sourceKey } from '../../runtime/names.ts'

/** Alerts that are shown again; older ones are where their sinks put them. */
const ALERTS_KEPT = 1_000
/** The last word about each thing outlasts that, so that what stands for long is not lost behind what comes and goes; within this. */
const STANDING_KEPT = 10_000
/** Those that are too many go so often: not each alert has to look for them. */
const TRIMMED_EVERY = 100
/** Silences at once: each alert that goes out is held against all of them. */
const SILENCES_MAX = 200
/** What is held back for the end of silences; past that the oldest is given up. */
const HELD_MAX = 10_000
/** A silence that nobody ends by hand may last for so long, ms. */
export const SILENCE_MAX_MS = 90 * 86_400_000

/** An alert and what people did about it; times in ms. */
export interface BookedAlert {
  readonly key: string
  /** `<pipeline>.<analyser>` */
  readonly id: string
  readonly analyser: string
  /** Null where it is about all sources together. */
  readonly source: string | null
  readonly state: Alert['state']
  readonly timeMs: number
  readonly message: string
  readonly values: Readonly<Record<string, number>>
  /** It was raised, and nothing that came later cleared it. */
  readonly stands: boolean
  readonly acknowledged: { readonly by: string; readonly atMs: number; readonly note: string } | null
  readonly silencedBy: number | null
}

/** Alerts of these analysers about these sources go to no webhook, command or AMQP address until then. */
export interface Silence {
  readonly id: number
  /** Glob over `<pipeline>.<analyser>`, or over the analyser's name where it holds no dot. */
  readonly analyser: string
  /** Glob over `<gateway>/<source>`, or over the source's name where it holds no slash. */
  readonly source: string
  readonly startedMs: number
  readonly untilMs: number
  readonly by: string
  readonly reason: string
}

/** What a sink would have been told. */
export interface HeldAlert {
  readonly sink: string
  readonly id: string
  readonly source: string
  readonly state: string
  readonly key: string
  readonly json: string
  readonly timeMs: number
}

interface SilenceRow {
  id: number
  analyser: string
  source: string
  started: number
  until: number
  by: string
  reason: string
}

interface AlertRow {
  key: string
  id: string
  analyser: string
  source: string | null
  state: Alert['state']
  time: number
  message: string
  vals: string
  ack_by: string | null
  ack_at: number | null
  ack_note: string | null
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS alerts (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL, analyser TEXT NOT NULL, source TEXT, state TEXT NOT NULL,
  time INTEGER NOT NULL, message TEXT NOT NULL, vals TEXT NOT NULL, ack_by TEXT, ack_at INTEGER, ack_note TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS silences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, analyser TEXT NOT NULL, source TEXT NOT NULL, started INTEGER NOT NULL, until INTEGER NOT NULL,
  by TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS held (
  number INTEGER PRIMARY KEY, sink TEXT NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL,
  json TEXT NOT NULL, time INTEGER NOT NULL, UNIQUE (sink, id, source)
) STRICT;`

/**
 * The latest alerts of a core, who has taken care of which, and what is silenced until when: in a SQLite file of its own, which no delivery of
 * records depends on.
 */
export class AlertBook {
  readonly #db: Database.Database
  readonly #clock: Clock
  /** What is asked for each alert that goes out. */
  readonly #insert: Database.Statement
  readonly #standing: Database.Statement<[number], SilenceRow>
  readonly #held: Database.Statement<[string, string, string], { state: string; key: string }>
  /** What a sink is being told just now. */
  #telling: HeldAlert | undefined

  constructor(path: string, clock: Clock) {
    this.#db = new Database(path)
    this.#db.pragma('journal_mode = WAL')
    // It outlives the process and its kill; what a power cut takes of it is the last words about alerts, and no record.
    this.#db.pragma('synchronous = NORMAL')
    this.#db.exec(SCHEMA)
    this.#clock = clock
    this.#insert = this.#db.prepare(
      'INSERT OR IGNORE INTO alerts (key, id, analyser, source, state, time, message, vals) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#standing = this.#db.prepare('SELECT * FROM silences WHERE until > ? ORDER BY until, id')
    this.#held = this.#db.prepare('SELECT state, key FROM held WHERE sink = ? AND id = ? AND source = ?')
  }

  close(): void {
    this.#db.close()
  }

  /** One that was told before is not added again: after a crash alerts are. */
  add(alert: Alert, id: string): void {
    const source = alert.source && sourceKey(alert.source)
    const time = Math.round(alert.timeMs)
    const { key, analyser, state, message, values } = alert
    const { changes, lastInsertRowid } = this.#insert.run(key, id, analyser, source, state, time, message, JSON.stringify(values))
    if (changes > 0 && Number(lastInsertRowid) % TRIMMED_EVERY === 0) this.#trim(Number(lastInsertRowid))
  }

  #trim(newest: number): void {
    this.#db
      .prepare(
        `DELETE FROM alerts WHERE number <= ?
         AND number NOT IN (SELECT max(number) FROM alerts WHERE state <> 'noted' GROUP BY id, source)`,
      )
      .run(newest - ALERTS_KEPT)
    this.#db.prepare('DELETE FROM alerts WHERE number <= ?').run(newest - STANDING_KEPT)
  }

  /** Newest first. */
  alerts(): BookedAlert[] {
    const silences = this.silences()
    const settled = new Set<string>()
    return this.#db
      .prepare<[], AlertRow>('SELECT * FROM alerts ORDER BY number DESC')
      .all()
      .map(row => {
        const about = `${row.id} ${row.source ?? '*'}`
        const stands = row.state === 'raised' && !settled.has(about)
        if (row.state !== 'noted') settled.add(about)
        return {
          key: row.key,
          id: row.id,
          analyser: row.analyser,
          source: row.source,
          state: row.state,
          timeMs: row.time,
          message: row.message,
          values: JSON.parse(row.vals) as Record<string, number>,
          stands,
          acknowledged: row.ack_by === null ? null : { by: row.ack_by, atMs: row.ack_at ?? 0, note: row.ack_note ?? '' },
          silencedBy: silences.find(silence => fits(silence, row.id, row.source))?.id ?? null,
        }
      })
  }

  /** Somebody takes care of it. The first who did stays. Throws `not_found` where there is no such alert. */
  acknowledge(key: string, by: string, note: string): BookedAlert {
    this.#db
      .prepare('UPDATE alerts SET ack_by = ?, ack_at = ?, ack_note = ? WHERE key = ? AND ack_by IS NULL')
      .run(by, Math.round(this.#clock.wallMs()), note, key)
    const found = this.alerts().find(each => each.key === key)
    if (found) return found
    throw new HeadraceError('not_found', `there is no alert "${key}"`, {
      advice: `See "headrace alerts list"; the last ${ALERTS_KEPT} are kept.`,
    })
  }

  /** Those that have not ended; the one that ends first is first. */
  silences(): Silence[] {
    return this.#standing
      .all(Math.round(this.#clock.wallMs()))
      .map(({ started, until, ...rest }) => ({ ...rest, startedMs: started, untilMs: until }))
  }

  /** Throws `config_invalid` where it would last too long, `limit_exceeded` where there are too many. */
  silence(what: { analyser: string; source: string; forMs: number; by: string; reason: string }): Silence {
    const { analyser, source, forMs, by, reason } = what
    if (!(forMs > 0 && forMs <= SILENCE_MAX_MS)) {
      throw new HeadraceError('config_invalid', 'a silence lasts for more than nothing and at most 90 days')
    }
    const standing = this.silences()
    if (standing.length >= SILENCES_MAX) {
      throw new HeadraceError('limit_exceeded', `there are ${SILENCES_MAX} silences already`, { advice: 'End some of them.' })
    }
    const startedMs = Math.round(this.#clock.wallMs())
    const untilMs = startedMs + Math.round(forMs)
    this.#db.prepare('DELETE FROM silences WHERE until <= ?').run(startedMs)
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO silences (analyser, source, started, until, by, reason) VALUES (?, ?, ?, ?, ?, ?)')
      .run(analyser, source, startedMs, untilMs, by, reason)
    return { id: Number(lastInsertRowid), analyser, source, startedMs, untilMs, by, reason }
  }

  /** Ends one before its time. Throws `not_found` where there is none. */
  endSilence(id: number): Silence {
    const found = this.silences().find(each => each.id === id)
    if (!found) throw new HeadraceError('not_found', `there is no silence ${id}`, { advice: 'See "headrace alerts silences".' })
    this.#db.prepare('DELETE FROM silences WHERE id = ?').run(id)
    return found
  }

  isSilenced(id: string, source: string | null): boolean {
    return this.silences().some(silence => fits(silence, id, source))
  }

  /**
   * Keeps what a sink would have been told, the last word about each thing. What was raised and cleared within a silence is nothing any more, and
   * what was only noted is over.
   */
  hold(held: HeldAlert): void {
    const { sink, id, source, state, key, json, timeMs } = held
    if (state === 'noted') return
    const before = this.#heldOf(held)
    this.#db.prepare('DELETE FROM held WHERE sink = ? AND id = ? AND source = ?').run(sink, id, source)
    if (before && before.state !== state && before.key !== this.#telling?.key) return
    this.#db
      .prepare('INSERT INTO held (sink, id, source, state, key, json, time) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(sink, id, source, state, key, json, Math.round(timeMs))
    this.#db.prepare('DELETE FROM held WHERE number <= (SELECT max(number) FROM held) - ?').run(HELD_MAX)
  }

  /** Whether something is held back that this would overtake. */
  isHeld(about: { sink: string; id: string; source: string }): boolean {
    return this.#heldOf(about) !== undefined
  }

  #heldOf({ sink, id, source }: { sink: string; id: string; source: string }): { state: string; key: string } | undefined {
    return this.#held.get(sink, id, source)
  }

  /** What was held back and is silenced no more, oldest first. */
  released(): HeldAlert[] {
    const silences = this.silences()
    return this.#db
      .prepare<[], Omit<HeldAlert, 'timeMs'> & { time: number }>(
        'SELECT sink, id, source, state, key, json, time FROM held ORDER BY number',
      )
      .all()
      .filter(({ id, source }) => !silences.some(silence => fits(silence, id, source === '' ? null : source)))
      .map(({ time, ...rest }) => ({ ...rest, timeMs: time }))
  }

  /** What comes for the same sink meanwhile is said after it. */
  telling(held: HeldAlert): void {
    this.#telling = held
  }

  told({ sink, key }: HeldAlert): void {
    this.#telling = undefined
    this.#db.prepare('DELETE FROM held WHERE sink = ? AND key = ?').run(sink, key)
  }
}

/** Whether a silence is about an analyser and a source. One that names sources is not about what concerns all of them together. */
function fits(silence: Silence, id: string, source: string | null): boolean {
  const analyser = silence.analyser.includes('.') ? id : id.slice(id.indexOf('.') + 1)
  if (!matchesGlob(silence.analyser, analyser)) return false
  if (source === null) return silence.source === '*'
  return matchesGlob(silence.source, silence.source.includes('/') ? source : source.slice(source.indexOf('/') + 1))
}
