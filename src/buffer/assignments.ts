import type { Assignment } from './buffer.ts'
import type { Serial } from './serial.ts'
import type { SourceBuffer } from './source-buffer.ts'

/**
 * Places that the core tells, on their way to disk. An opening brings those of all sources at once, and they are written at once: the marks file names
 * every source, and written for each of them it would grow with the square of their number.
 */
export class Assignments {
  readonly #serial: Serial
  readonly #write: (assigned: ReadonlyMap<SourceBuffer, Assignment>) => Promise<void>
  /** What the turn that waits will write. */
  #waiting = new Map<SourceBuffer, Assignment>()
  #turn: Promise<void> | undefined

  constructor(serial: Serial, write: (assigned: ReadonlyMap<SourceBuffer, Assignment>) => Promise<void>) {
    this.#serial = serial
    this.#write = write
  }

  /** Resolves when it is on disk; rejects, as for all that were to be written with it, where it is not. */
  assign(source: SourceBuffer, assignment: Assignment): Promise<void> {
    this.#waiting.set(source, assignment)
    this.#turn ??= this.#serial.run(() => {
      const assigned = this.#waiting
      this.#waiting = new Map()
      this.#turn = undefined
      return this.#write(assigned)
    })
    return this.#turn
  }
}
