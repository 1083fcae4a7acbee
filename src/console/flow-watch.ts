import type { Alarms } from '../runtime/alarms.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { repeating } from '../runtime/repeating.ts'

/** How often it looks, ms. */
const LOOK_EVERY_MS = 5_000
/** Records that wait for so long while none is settled do not flow, ms; what knows the cause has raised an alarm of its own before. */
export const NOT_FLOWING_MS = 90_000

export interface Flow {
  readonly source: string
  /** The first number that the log does not have. */
  readonly settled: number
  /** Records that it does not have. */
  readonly buffered: number
}

/**
 * Raises `not_flowing` for a source whose records wait and of which none is settled, whatever the reason: a process that runs and does nothing is not
 * healthy.
 */
export class FlowWatch {
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #flows: () => readonly Flow[]
  readonly #seen = new Map<string, { settled: number; sinceMs: number }>()
  #timer: Timer | undefined

  constructor(clock: Clock, alarms: Alarms, flows: () => readonly Flow[]) {
    this.#clock = clock
    this.#alarms = alarms
    this.#flows = flows
  }

  start(): void {
    this.#timer = repeating(this.#clock, LOOK_EVERY_MS, () => this.look())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  look(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const { source, settled, buffered } of this.#flows()) {
      const seen = this.#seen.get(source)
      if (buffered === 0 || seen?.settled !== settled) {
        this.#seen.set(source, { settled, sinceMs: nowMs })
        this.#alarms.clear('not_flowing', source)
      } else if (nowMs - seen.sinceMs >= NOT_FLOWING_MS) {
        this.#alarms.raise('not_flowing', {
          source,
          message: `${buffered} records of ${source} wait on this gateway, and none was settled for ${Math.round((nowMs - seen.sinceMs) / 1_000)} s.`,
          advice: 'Look at the other alarms of this source, at the link and at the core; `headrace doctor` looks at all of them.',
        })
      }
    }
  }
}
