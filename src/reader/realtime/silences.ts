import type Database from 'better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { matchesGlob } from '../../runtime/names.ts'
import type { AlertWord, SilenceTerms } from './alert-words.ts'

/** Silences at once: each alert that goes out is held against all of them. */
export const SILENCES_MAX = 200
/** A silence that nobody ends by hand may last for so long, ms. */
export const SILENCE_MAX_MS = 90 * 86_400_000
/** Those that were ended by hand are remembered for as long as their beginning may be heard of and would count; within this. */
const ENDED_KEPT = 10_000

export interface Silence extends SilenceTerms {
  readonly id: number
}

type Row = Omit<Silence, 'startedMs' | 'untilMs'> & { readonly uid: string; readonly started: number; readonly until: number }

type SilencedWord = Extract<AlertWord, { kind: 'silenced' }>
type UnsilencedWord = Extract<AlertWord, { kind: 'unsilenced' }>

/** The silences in the file of the alert book, which nobody else writes: they are asked for with each alert that goes out, and read when they change. */
export class Silences {
  readonly #db: Database.Database
  readonly #clock: Clock
  /** All that nobody ended by hand; undefined after a change. */
  #rows: readonly Row[] | undefined

  constructor(db: Database.Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** Those that have not ended; the one that ends first is first. */
  standing(): Silence[] {
    return this.#standing().map(({ started, until, uid: _uid, ...rest }) => ({ ...rest, startedMs: started, untilMs: until }))
  }

  /** What a core that knows nothing has to be told of them: also which are over, since another core may tell it of their beginning later. */
  words(): (SilencedWord | UnsilencedWord)[] {
    const ended = this.#db.prepare<[], { uid: string }>('SELECT uid FROM silences WHERE until = 0 ORDER BY id').all()
    return [
      ...ended.map(({ uid }): UnsilencedWord => ({ kind: 'unsilenced', uid })),
      ...this.#standing().map(({ id: _id, started, until, ...rest }): SilencedWord => {
        return { kind: 'silenced', ...rest, startedMs: started, untilMs: until }
      }),
    ]
  }

  uidOf(id: number): string | undefined {
    return this.#db.prepare<[number], { uid: string }>('SELECT uid FROM silences WHERE id = ?').get(id)?.uid
  }

  /** Gives its id; of one that is known, another number. */
  begin({ uid, analyser, source, startedMs, untilMs, by, reason }: SilencedWord): number {
    this.#rows = undefined
    const { lastInsertRowid } = this.#db
      .prepare('INSERT OR IGNORE INTO silences (uid, analyser, source, started, until, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(uid, analyser, source, startedMs, untilMs, by, reason)
    return Number(lastInsertRowid)
  }

  /** Its beginning may be heard of later, of another core: it is over all the same. */
  end(uid: string): void {
    this.#rows = undefined
    this.#db
      .prepare(
        `INSERT INTO silences (uid, analyser, source, started, until, by, reason) VALUES (?, '', '', ?, 0, '', '')
         ON CONFLICT (uid) DO UPDATE SET until = 0`,
      )
      .run(uid, Math.round(this.#clock.wallMs()))
  }

  forgetEnded(beforeMs: number): void {
    this.#rows = undefined
    this.#db.prepare('DELETE FROM silences WHERE until > 0 AND until <= ?').run(beforeMs)
    this.#db.prepare('DELETE FROM silences WHERE until = 0 AND started <= ?').run(beforeMs - SILENCE_MAX_MS)
    this.#db
      .prepare(
        'DELETE FROM silences WHERE until = 0 AND id NOT IN (SELECT id FROM silences WHERE until = 0 ORDER BY id DESC LIMIT ?)',
      )
      .run(ENDED_KEPT)
  }

  #standing(): Row[] {
    const nowMs = Math.round(this.#clock.wallMs())
    // A clock that is set back makes one stand again: so none is left out that ended.
    this.#rows ??= this.#db.prepare<[], Row>('SELECT * FROM silences WHERE until > 0 ORDER BY until, id').all()
    return this.#rows.filter(({ until }) => until > nowMs)
  }
}

/** Whether a silence is about an analyser and a source. One that names sources is not about what concerns all of them together. */
export function fits(silence: Silence, id: string, source: string | null): boolean {
  const analyser = silence.analyser.includes('.') ? id : id.slice(id.indexOf('.') + 1)
  if (!matchesGlob(silence.analyser, analyser)) return false
  if (source === null) return silence.source === '*'
  return matchesGlob(silence.source, silence.source.includes('/') ? source : source.slice(source.indexOf('/') + 1))
}
