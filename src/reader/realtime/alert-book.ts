import { randomUUID } from 'node:crypto'
import type Database from 'better-sqlite3'
import type { Alert } from '../../analyser/analyser.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { sourceKey } from '../../runtime/names.ts'
import { durably, openAlertBook } from './alert-book-schema.ts'
import type { AlertWord, SaidAlert } from './alert-words.ts'
import { type HeldAlert, HeldAlerts } from './held-alerts.ts'
import { fits, SILENCE_MAX_MS, SILENCES_MAX, type Silence, Silences } from './silences.ts'

/** Alerts that are shown again; older ones are where their sinks put them. */
const ALERTS_KEPT = 1_000
/** The last word about each thing outlasts that, so that what stands for long is not lost behind what comes and goes, however much that is; of so many alerts. */
const STANDING_KEPT = 10_000
/** Those that are too many go so often: not each alert has to look for them, which takes ten milliseconds. */
const TRIMMED_EVERY = 1_000
/** Words for other cores that wait while the log is away; past that the oldest is given up. */
const WORDS_MAX = 10_000
/** Who takes care of what: of alerts that are gone as well, so that a word which comes late finds its place; within this. */
const ACKNOWLEDGED_KEPT = 20_000

/** An alert and what people did about it; times in ms. */
export interface BookedAlert extends SaidAlert {
  /** It was raised, and nothing that came later cleared it. */
  readonly stands: boolean
  readonly acknowledged: { readonly by: string; readonly atMs: number; readonly note: string } | null
  readonly silencedBy: number | null
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

/**
 * The latest alerts, who has taken care of which, and what is silenced until when: in a SQLite file of its own, which no delivery of records depends
 * on. Where cores share a log, what is said at one of them is written down as a word for the others, and what they say is taken ({@link SharedAlerts}).
 */
export class AlertBook {
  readonly #db: Database.Database
  readonly #clock: Clock
  /** Whether other cores are told, too. */
  readonly shares: boolean
  /** What is asked for each alert. */
  readonly #insertion: Database.Statement
  readonly #saying: Database.Statement<[string]>
  readonly #onUnwritten: (error: unknown) => void
  /** Alerts of this turn of the event loop: they are written together. Those that the disk did not take wait for the next, so many as are kept. */
  #added: SaidAlert[] = []
  #isAsked = false
  /** When each analyser last said something, ms, by its id. */
  readonly #lastMs: Map<string, number>
  /** What is held back for the end of silences. */
  readonly held: HeldAlerts
  readonly #silences: Silences

  /** `onUnwritten`: told where the disk does not take what was said. */
  constructor(
    path: string,
    clock: Clock,
    options: { shares?: boolean; heldMax?: number; onUnwritten?: (error: unknown) => void } = {},
  ) {
    this.#db = openAlertBook(path)
    this.held = new HeldAlerts(this.#db, options.heldMax)
    this.#silences = new Silences(this.#db, clock)
    this.#clock = clock
    this.shares = options.shares === true
    this.#onUnwritten = options.onUnwritten ?? (() => {})
    this.#insertion = this.#db.prepare(
      'INSERT OR IGNORE INTO alerts (key, id, analyser, source, state, time, message, vals) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#saying = this.#db.prepare('INSERT INTO words (json) VALUES (?)')
    const last = this.#db.prepare<[], { id: string; ms: number }>('SELECT id, max(time) AS ms FROM alerts GROUP BY id').all()
    this.#lastMs = new Map(last.map(({ id, ms }) => [id, ms]))
  }

  close(): void {
    this.#write()
    this.#db.close()
  }

  /** One that was told before is not added again: after a crash alerts are. */
  add({ key, analyser, source, state, timeMs, message, values }: Alert, id: string): void {
    // Behind what goes out now: whoever is told must not wait for the book.
    if (!this.#isAsked) setImmediate(() => this.#write())
    this.#isAsked = true
    const about = source && sourceKey(source)
    this.#added.push({ key, id, analyser, source: about, state, timeMs: Math.round(timeMs), message, values })
  }

  #write(): void {
    this.#isAsked = false
    const added = this.#added
    if (added.length === 0 || !this.#db.open) return
    this.#added = []
    try {
      this.#db.transaction(() => {
        for (const alert of added) if (this.#insert(alert)) this.#say({ kind: 'alert', alert })
      })()
    } catch (error) {
      // A disk that is full: whoever receives alerts is told of them, and the process is not to end for the book's sake.
      this.#added = added.slice(-ALERTS_KEPT)
      this.#onUnwritten(error)
    }
  }

  /** Whether it is a new one. */
  #insert({ key, id, analyser, source, state, timeMs, message, values }: SaidAlert): boolean {
    const vals = JSON.stringify(values)
    const { changes, lastInsertRowid } = this.#insertion.run(key, id, analyser, source, state, timeMs, message, vals)
    this.#lastMs.set(id, Math.max(timeMs, this.#lastMs.get(id) ?? Number.NEGATIVE_INFINITY))
    if (changes > 0 && Number(lastInsertRowid) % TRIMMED_EVERY === 0) this.#trim(Number(lastInsertRowid))
    return changes > 0
  }

  #trim(newest: number): void {
    this.#db
      .prepare(
        `DELETE FROM alerts WHERE number <= ?
         AND number NOT IN (
           SELECT number FROM (
             SELECT number, row_number() OVER (PARTITION BY id, source ORDER BY time DESC, number DESC) AS rank
             FROM alerts WHERE state <> 'noted'
           ) WHERE rank = 1
         )`,
      )
      .run(newest - ALERTS_KEPT)
    this.#db
      .prepare('DELETE FROM alerts WHERE number <= (SELECT number FROM alerts ORDER BY number DESC LIMIT 1 OFFSET ?)')
      .run(STANDING_KEPT)
    this.#db
      .prepare('DELETE FROM acknowledgements WHERE number <= (SELECT max(number) FROM acknowledgements) - ?')
      .run(ACKNOWLEDGED_KEPT)
  }

  /** When an analyser last said something, here or at a core that shares its alerts, ISO 8601; null where that is not known. */
  lastOf(id: string): string | null {
    this.#write()
    const ms = this.#lastMs.get(id)
    return ms === undefined ? null : new Date(ms).toISOString()
  }

  /** Newest first. */
  alerts(): BookedAlert[] {
    this.#write()
    const silences = this.silences()
    const settled = new Set<string>()
    return this.#db
      .prepare<[], AlertRow>(
        `SELECT alerts.*, ack.by AS ack_by, ack.at AS ack_at, ack.note AS ack_note
         FROM alerts LEFT JOIN acknowledgements AS ack USING (key) ORDER BY time DESC, alerts.number DESC`,
      )
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
    const find = () => this.alerts().find(each => each.key === key)
    const found = find()
    if (found?.acknowledged) return found
    if (found) {
      const word = { kind: 'acknowledged', key, by, atMs: Math.round(this.#clock.wallMs()), note } as const
      durably(this.#db, () => {
        this.#apply(word)
        this.#say(word)
      })
      return find() ?? found
    }
    throw new HeadraceError('not_found', `there is no alert "${key}"`, {
      advice: `See "headrace alerts list"; the last ${ALERTS_KEPT} are kept.`,
    })
  }

  /** Those that have not ended; the one that ends first is first. */
  silences(): Silence[] {
    return this.#silences.standing()
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
    const word = { kind: 'silenced', uid: randomUUID(), analyser, source, startedMs, untilMs, by, reason } as const
    const id = durably(this.#db, () => {
      this.#silences.forgetEnded(startedMs)
      const made = this.#apply(word)
      this.#say(word)
      return made
    })
    return { id, analyser, source, startedMs, untilMs, by, reason }
  }

  /** Ends one before its time. Throws `not_found` where there is none. */
  endSilence(id: number): Silence {
    const found = this.silences().find(each => each.id === id)
    const uid = this.#silences.uidOf(id)
    if (!found || uid === undefined)
      throw new HeadraceError('not_found', `there is no silence ${id}`, { advice: 'See "headrace alerts silences".' })
    const word = { kind: 'unsilenced', uid } as const
    durably(this.#db, () => {
      this.#apply(word)
      this.#say(word)
    })
    return found
  }

  /** Words that other cores have not been told yet, oldest first. */
  unsaid(most: number): { readonly number: number; readonly word: AlertWord }[] {
    this.#write()
    return this.#db
      .prepare<[number], { number: number; json: string }>('SELECT number, json FROM words ORDER BY number LIMIT ?')
      .all(most)
      .map(({ number, json }) => ({ number, word: JSON.parse(json) as AlertWord }))
  }

  /** They have been told, up to this one. */
  said(number: number): void {
    this.#db.prepare('DELETE FROM words WHERE number <= ?').run(number)
  }

  /** All that a core which knows nothing has to be told, oldest first. */
  everything(): AlertWord[] {
    const words: AlertWord[] = []
    for (const { stands: _stands, acknowledged, silencedBy: _by, ...alert } of this.alerts().toReversed()) {
      words.push({ kind: 'alert', alert })
      if (acknowledged) words.push({ kind: 'acknowledged', key: alert.key, ...acknowledged })
    }
    words.push(...this.#silences.words())
    return words
  }

  /** How far the words of a core were taken. */
  takenOf(source: string): number {
    return this.#db.prepare<[string], { next: number }>('SELECT next FROM taken WHERE source = ?').get(source)?.next ?? 0
  }

  /** What a core said, up to `next`. In whichever order words of several cores come, they come to the same. */
  take(source: string, next: number, words: readonly AlertWord[]): void {
    this.#db.transaction(() => {
      for (const word of words) this.#apply(word)
      this.#db
        .prepare('INSERT INTO taken (source, next) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET next = excluded.next')
        .run(source, next)
    })()
  }

  /** Gives the row of a silence, here its id; of others 0. */
  #apply(word: AlertWord): number {
    switch (word.kind) {
      case 'alert':
        this.#insert(word.alert)
        return 0
      case 'acknowledged':
        // Who was first stays.
        this.#db
          .prepare(
            `INSERT INTO acknowledgements (key, by, at, note) VALUES (?, ?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET by = excluded.by, at = excluded.at, note = excluded.note
             WHERE (excluded.at, excluded.by) < (at, by)`,
          )
          .run(word.key, word.by, word.atMs, word.note)
        return 0
      case 'silenced':
        return this.#silences.begin(word)
      case 'unsilenced':
        this.#silences.end(word.uid)
        return 0
    }
  }

  #say(word: AlertWord): void {
    if (!this.shares) return
    const number = Number(this.#saying.run(JSON.stringify(word)).lastInsertRowid)
    if (number % TRIMMED_EVERY === 0) this.#db.prepare('DELETE FROM words WHERE number <= ?').run(number - WORDS_MAX)
  }

  isSilenced(id: string, source: string | null): boolean {
    return this.silences().some(silence => fits(silence, id, source))
  }

  /** What was held back and is silenced no more, oldest first. */
  released(): HeldAlert[] {
    const silences = this.silences()
    return this.held.all().filter(({ id, source }) => !silences.some(silence => fits(silence, id, source === '' ? null : source)))
  }
}
