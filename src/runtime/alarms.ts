import type { Clock } from './clock.ts'
import { hideSecrets } from './hide-secrets.ts'

/** Something that a person should know; it stands until what caused it is over. */
export interface Alarm {
  readonly code: string
  /** The source it concerns; absent where it concerns the whole process. */
  readonly source?: string
  /** ISO 8601, when it was first raised. */
  readonly since: string
  readonly message: string
  readonly advice: string
}

/** How many alarms are kept at once; past that a new one is not kept: what stands already needs a person. */
const ALARMS_MAX = 1_000

/** The alarms of one process: one for each (code, source), first raised first. */
export class Alarms {
  readonly #clock: Clock
  readonly #standing = new Map<string, Alarm>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  raise(code: string, what: { source?: string; message: string; advice: string }): void {
    const key = `${code}\0${what.source ?? ''}`
    const before = this.#standing.get(key)
    if (!before && this.#standing.size >= ALARMS_MAX) return
    const since = before?.since ?? new Date(this.#clock.wallMs()).toISOString()
    this.#standing.set(key, { code, since, ...what, message: hideSecrets(what.message) })
  }

  clear(code: string, source?: string): void {
    // Asked of every source many times a second, where mostly nothing stands.
    if (this.#standing.size === 0) return
    this.#standing.delete(`${code}\0${source ?? ''}`)
  }

  list(): Alarm[] {
    return [...this.#standing.values()]
  }
}
