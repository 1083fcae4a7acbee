import type { Alarms } from '../runtime/alarms.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { repeating } from '../runtime/repeating.ts'

/** How often it looks, ms. */
const LOOK_EVERY_MS = 5_000
/** A loop that stays away for so long beyond its own limits has lost its way, ms: a machine that is busy, or a slow disk, is not to be taken for that. */
export const STALLED_AFTER_MS = 30_000
/** After so long it is worth a new start of the whole, ms: nobody may be near. Seldom, since a driver that hangs may not be mended by that. */
export const START_ANEW_AFTER_MS = 600_000

export interface Looping {
  readonly source: string
  /** For how long its loop has stayed away since it meant to take its next turn, ms. */
  readonly overdueMs: number
}

/**
 * Raises `source_stalled` for a source whose loop neither goes on nor gives up: a promise that is never kept, a driver that does not come back. A device
 * that is silent is none: its loop asks again.
 */
export class StallWatch {
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #loops: () => readonly Looping[]
  /** Sources that were late when it last looked: a process that was frozen finds all of them late, and they go on at once. */
  #late: ReadonlySet<string> = new Set()
  #timer: Timer | undefined

  constructor(clock: Clock, alarms: Alarms, loops: () => readonly Looping[]) {
    this.#clock = clock
    this.#alarms = alarms
    this.#loops = loops
  }

  start(): void {
    this.#timer = repeating(this.#clock, LOOK_EVERY_MS, () => this.look())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  look(): void {
    const late = this.#loops().filter(({ overdueMs }) => overdueMs > STALLED_AFTER_MS)
    for (const { source, overdueMs } of late) {
      if (!this.#late.has(source)) continue
      this.#alarms.raise('source_stalled', {
        source,
        message: `${source} is not read: its loop should have gone on, or given up, ${Math.round(overdueMs / 1_000)} s ago.`,
        advice:
          'Look at what the kernel says of the device (dmesg), then start the agent again: nothing that was read is lost. As a service it is started anew by itself after ten minutes.',
      })
    }
    const now = new Set(late.map(({ source }) => source))
    for (const source of this.#late) if (!now.has(source)) this.#alarms.clear('source_stalled', source)
    this.#late = now
  }

  /** What stands still beyond hope, for a watchdog. */
  standing(): string | undefined {
    const lost = this.#loops().find(({ source, overdueMs }) => overdueMs > START_ANEW_AFTER_MS && this.#late.has(source))
    return lost && `${lost.source} has not been read for ${Math.round(lost.overdueMs / 1_000)} s`
  }
}
