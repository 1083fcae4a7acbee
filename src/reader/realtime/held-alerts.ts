import type Database from 'better-sqlite3'
import { durably } from './alert-book-schema.ts'

/** Things of which the last word is held back for the end of silences; past that the oldest is given up. */
const HELD_MAX = 10_000

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

type About = Pick<HeldAlert, 'sink' | 'id' | 'source'>

/** What sinks were not told because it is silenced: of each thing the last word, in the file of the alert book. */
export class HeldAlerts {
  readonly #db: Database.Database
  readonly #heldMax: number
  readonly #lookup: Database.Statement<[string, string, string], { state: string; key: string }>
  /** Whether anything is held at all, which is asked for each alert that goes out; undefined after a change. */
  #holdsAny: boolean | undefined
  /** Keys of what sinks are being told just now, or were when it failed. */
  readonly #telling = new Map<string, string>()

  constructor(db: Database.Database, heldMax: number = HELD_MAX) {
    this.#db = db
    this.#heldMax = heldMax
    this.#lookup = db.prepare('SELECT state, key FROM held WHERE sink = ? AND id = ? AND source = ?')
  }

  /** What was raised and cleared within a silence is nothing any more, and what was only noted is over. */
  hold(held: HeldAlert): void {
    const { sink, id, source, state, key, json, timeMs } = held
    if (state === 'noted') return
    this.#holdsAny = undefined
    durably(this.#db, () => {
      const before = this.#of(held)
      this.#db.prepare('DELETE FROM held WHERE sink = ? AND id = ? AND source = ?').run(sink, id, source)
      if (before && before.state !== state && before.key !== this.#telling.get(sink)) return
      this.#db
        .prepare('INSERT INTO held (sink, id, source, state, key, json, time) VALUES (?, ?, ?, ?, ?, ?, ?)')
        .run(sink, id, source, state, key, json, Math.round(timeMs))
      this.#db
        .prepare('DELETE FROM held WHERE number <= (SELECT number FROM held ORDER BY number DESC LIMIT 1 OFFSET ?)')
        .run(this.#heldMax)
    })
  }

  /** Whether something is held back that this would overtake. */
  has(about: About): boolean {
    this.#holdsAny ??= this.#db.prepare('SELECT 1 FROM held LIMIT 1').get() !== undefined
    return this.#holdsAny && this.#of(about) !== undefined
  }

  /** Oldest first. */
  all(): HeldAlert[] {
    return this.#db
      .prepare<[], Omit<HeldAlert, 'timeMs'> & { time: number }>(
        'SELECT sink, id, source, state, key, json, time FROM held ORDER BY number',
      )
      .all()
      .map(({ time, ...rest }) => ({ ...rest, timeMs: time }))
  }

  /** What comes for the same sink meanwhile is said after it. */
  telling({ sink, key }: HeldAlert): void {
    this.#telling.set(sink, key)
  }

  told({ sink, key }: HeldAlert): void {
    this.#telling.delete(sink)
    this.#holdsAny = undefined
    this.#db.prepare('DELETE FROM held WHERE sink = ? AND key = ?').run(sink, key)
  }

  #of({ sink, id, source }: About): { state: string; key: string } | undefined {
    return this.#lookup.get(sink, id, source)
  }
}
