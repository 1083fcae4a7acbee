import type { Journal, JournalEntry } from '../../src/log/log.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'

/** A MODEL of a compacted topic, in memory: away on demand, made anew, cut back. It is no substitute for the tests on a real broker. */
export class MemoryJournal implements Journal {
  #entries: JournalEntry[] = []
  #first = 0
  #next = 0
  #made = 1
  away = false
  /** Called before an entry is appended: somebody else may be first. */
  beforeAppend: () => Promise<void> = async () => {}

  get length(): number {
    return this.#entries.length
  }

  async id(): Promise<string> {
    return `journal-${this.#made}`
  }

  async append(key: string, value: Buffer): Promise<number> {
    await this.beforeAppend()
    this.#reach()
    const at = this.#next++
    this.#entries.push({ at, key, value })
    return at
  }

  /** A few at a time, as fetches give them. */
  async read(from: number) {
    this.#reach()
    if (from > this.#next || from < this.#first) return undefined
    const entries = this.#entries.filter(({ at }) => at >= from).slice(0, 7)
    const next = (entries.at(-1)?.at ?? this.#next - 1) + 1
    return { entries, next, end: next >= this.#next }
  }

  /** As a broker's cleaner does: of each key the last is left. */
  compact(): void {
    this.#entries = this.#entries.filter(({ key, at }) => this.#entries.findLast(other => other.key === key)?.at === at)
  }

  /** A topic that is set wrong: the broker deletes what is old. */
  loseBeginning(to: number): void {
    this.#entries = this.#entries.filter(({ at }) => at >= to)
    this.#first = to
  }

  makeAnew(): void {
    this.#made += 1
    this.#first = 0
    this.cutBack(0)
  }

  /** An unclean election: the end is lost. */
  cutBack(to: number): void {
    this.#entries = this.#entries.filter(({ at }) => at < to)
    this.#next = to
  }

  #reach(): void {
    if (this.away) throw new HeadraceError('log_unavailable', 'the journal is away')
  }
}
