import type { Clock } from '../runtime/clock.ts'
import type { Marks } from './marks.ts'
import type { SourceBuffer } from './source-buffer.ts'

/** Numbers that are reserved ahead of a source at the least. */
const RESERVE_MIN = 1_000
/** For how long a source's present rate may go on before the next reservation, ms. */
const RESERVE_FOR_MS = 10_000

/**
 * Keeps the marks ahead of the numbers that are given away, so that the marks file is written every few seconds and not with each commit: a
 * database that is lost is then known to have used no number at or above them.
 */
export class Reservations {
  readonly marks: Marks
  readonly #clock: Clock
  /** What was handed out last is not known to be on disk. */
  #owed = false
  readonly #rates = new WeakMap<SourceBuffer, { atMs: number; next: number }>()

  constructor(marks: Marks, clock: Clock) {
    this.marks = marks
    this.#clock = clock
  }

  /** The marks file's new content, where numbers at or above a mark are about to be given away; undefined where the marks suffice. */
  reserve(nextNumbers: ReadonlyMap<SourceBuffer, number>, all: Iterable<SourceBuffer>): string | undefined {
    let any = this.#owed
    for (const [source, next] of nextNumbers) {
      if (next <= source.mark) continue
      any = true
      this.#raise(source, next)
    }
    if (!any) return undefined
    // One write for all that would need one soon.
    for (const source of all)
      if (source.assignment && source.mark - source.next < RESERVE_MIN / 2) this.#raise(source, source.next)
    return this.text()
  }

  /** Whether the marks file names this source. */
  knows({ source }: SourceBuffer): boolean {
    return Object.hasOwn(this.marks.sources, source)
  }

  /** The marks file's new content with what is known of these sources now. */
  with(sources: readonly SourceBuffer[]): string {
    for (const source of sources) this.#note(source)
    return this.text()
  }

  /** The marks file is written with the next commit, with what is known of the source by then. */
  note(source: SourceBuffer): void {
    this.#note(source)
    this.#owed = true
  }

  /** To be followed by {@link written} once it is on disk; until then it is given again with the next commit. */
  text(): string {
    this.#owed = true
    return JSON.stringify(this.marks)
  }

  written(): void {
    this.#owed = false
  }

  #raise(source: SourceBuffer, next: number): void {
    const nowMs = this.#clock.monotonicMs()
    const before = this.#rates.get(source)
    const perMs = before && nowMs > before.atMs ? (next - before.next) / (nowMs - before.atMs) : 0
    this.#rates.set(source, { atMs: nowMs, next })
    source.mark = Math.max(source.mark, next + Math.max(RESERVE_MIN, Math.ceil(perMs * RESERVE_FOR_MS)))
    this.#note(source)
  }

  #note(source: SourceBuffer): void {
    const { mark, assignment } = source
    this.marks.sources[source.source] = { topic: source.settings.topic, mark, assignment: assignment ?? null }
  }
}
