import type { EdgeBuffer, Outlet } from '../buffer/buffer.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { InFlight } from './flight.ts'
import { Lane } from './lane.ts'

export interface LanesDeps {
  readonly buffer: EdgeBuffer
  readonly newFlight: () => InFlight
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly alarms: Alarms
  readonly taker?: 'log' | 'broker'
  readonly upToDateRecords?: number | undefined
}

/** A lane for each source of the buffer; sources that the buffer gets later are found by {@link refresh}. */
export class Lanes implements Iterable<Lane> {
  readonly #deps: LanesDeps
  readonly #bySource = new Map<string, Lane>()
  readonly #all: Lane[] = []
  /** The buffer's, when they were looked through last: others once it has more. */
  #outlets: readonly Outlet[] = []

  constructor(deps: LanesDeps) {
    this.#deps = deps
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#all.values()
  }

  get all(): readonly Lane[] {
    return this.#all
  }

  get(source: string): Lane | undefined {
    return this.#bySource.get(source)
  }

  refresh(): void {
    const { buffer, newFlight, ...deps } = this.#deps
    const outlets = buffer.outlets()
    if (outlets === this.#outlets) return
    this.#outlets = outlets
    for (const outlet of outlets) {
      if (this.#bySource.has(outlet.source)) continue
      const lane = new Lane({ outlet, flight: newFlight(), ...deps })
      this.#bySource.set(outlet.source, lane)
      this.#all.push(lane)
    }
  }

  /** The session is over: takes back what is in flight of every source. */
  close(): void {
    for (const lane of this) lane.close()
  }
}
