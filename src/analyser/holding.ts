import { type Alert, type AlertState, type Subject, subjectKey, type Units } from './analyser.ts'
import type { Word } from './field-words.ts'

/** How a stretch of time was judged; undefined says nothing, and changes nothing. */
export interface Judgement {
  readonly holds: boolean | undefined
  /** Whether a raised alert may end; when it does not hold, unless there is a condition of its own. */
  readonly clears: boolean | undefined
  readonly sinceMs: number
  readonly endMs: number
}

interface Snapshot {
  readonly raised: boolean
  readonly holding: number | null
  readonly clearing: number | null
  readonly last: number | null
  readonly repeats: number
}

/**
 *   CALM ──held without a break for `for`──► RAISED ──over without a break for `clear_for`──► CALM
 *
 * What lies between the two conditions changes neither: that is the hysteresis.
 */
export class Holding {
  readonly #subject: Subject
  readonly #holdMs: number
  readonly #clearMs: number
  #raised = false
  /** Start of an unbroken run of the condition that would change the state; undefined outside of one. */
  #holdingMs: number | undefined
  #clearingMs: number | undefined
  #lastMs: number | undefined
  #repeats = 0

  constructor(subject: Subject, times: { holdMs: number; clearMs: number }) {
    this.#subject = subject
    this.#holdMs = times.holdMs
    this.#clearMs = times.clearMs
  }

  get raised(): boolean {
    return this.#raised
  }

  /** What is not raised does not hold: a run that was waiting for its time is broken. */
  calm(): void {
    this.#holdingMs = undefined
  }

  judge({ holds, clears, sinceMs, endMs }: Judgement): 'raised' | 'cleared' | undefined {
    if (holds === true) this.#holdingMs ??= sinceMs
    else if (holds === false) this.#holdingMs = undefined
    if (clears === true) this.#clearingMs ??= sinceMs
    else if (clears === false) this.#clearingMs = undefined

    if (!this.#raised) {
      if (holds !== true || this.#holdingMs === undefined || endMs - this.#holdingMs < this.#holdMs) return undefined
      this.#raised = true
      this.#clearingMs = undefined
      return 'raised'
    }
    if (clears !== true || this.#clearingMs === undefined || endMs - this.#clearingMs < this.#clearMs) return undefined
    this.#raised = false
    this.#holdingMs = undefined
    return 'cleared'
  }

  /** An alert with a key that no other has: two of one time and state are told apart by a number. */
  alert(state: AlertState, timeMs: number, what: Pick<Alert, 'message' | 'values' | 'units'>): Alert {
    this.#repeats = this.#lastMs === timeMs ? this.#repeats + 1 : 0
    this.#lastMs = timeMs
    const { analyser, id, source } = this.#subject
    const more = this.#repeats === 0 ? '' : `:${this.#repeats}`
    return { key: `${id}:${subjectKey(source)}:${timeMs}:${state}${more}`, analyser, source, state, timeMs, ...what }
  }

  snapshot(): Snapshot {
    return {
      raised: this.#raised,
      holding: this.#holdingMs ?? null,
      clearing: this.#clearingMs ?? null,
      last: this.#lastMs ?? null,
      repeats: this.#repeats,
    }
  }

  restore(snapshot: unknown): void {
    const { raised, holding, clearing, last, repeats } = snapshot as Snapshot
    this.#raised = raised
    this.#holdingMs = holding ?? undefined
    this.#clearingMs = clearing ?? undefined
    this.#lastMs = last ?? undefined
    this.#repeats = repeats
  }
}

/** `avg(oil_c) = 93 °C, max(bar) = 7, last(door) = open`, as a person reads it. */
export function valuesText(values: Readonly<Record<string, number | Word>>, units: Units = {}): string {
  return Object.entries(values)
    .map(([name, value]) =>
      [`${name} = ${typeof value === 'number' ? Number(value.toPrecision(6)) : value}`, units[name]].filter(Boolean).join(' '),
    )
    .join(', ')
}
