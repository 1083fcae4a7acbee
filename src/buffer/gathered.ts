import type { Serial } from './serial.ts'
import type { SourceBuffer } from './source-buffer.ts'

/**
 * What is to be written of many sources, on its way to disk. An opening brings the places of all sources at once, or freezes all of them, and that is
 * written at once: the marks file names every source, and written for each of them it would grow with the square of their number.
 */
export class Gathered<Fact> {
  readonly #serial: Serial
  readonly #write: (facts: ReadonlyMap<SourceBuffer, Fact>) => Promise<void>
  /** What the turn that waits will write. */
  #waiting = new Map<SourceBuffer, Fact>()
  #turn: Promise<void> | undefined

  constructor(serial: Serial, write: (facts: ReadonlyMap<SourceBuffer, Fact>) => Promise<void>) {
    this.#serial = serial
    this.#write = write
  }

  /** Resolves when it is on disk; rejects, as for all that were to be written with it, where it is not. */
  add(source: SourceBuffer, fact: Fact): Promise<void> {
    this.#waiting.set(source, fact)
    this.#turn ??= this.#serial.run(() => {
      const facts = this.#waiting
      this.#waiting = new Map()
      this.#turn = undefined
      return this.#write(facts)
    })
    return this.#turn
  }
}
