import type { EdgeBuffer } from '../buffer/buffer.ts'
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

  constructor(deps: LanesDeps) {
    this.#deps = deps
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#bySource.values()
  }

  get(source: string): Lane | undefined {
    return this.#bySource.get(source)
  }

  refresh(): void {
    const { buffer, newFlight, ...deps } = this.#deps
    for (const outlet of buffer.outlets()) {
      if (!this.#bySource.has(outlet.source))
        this.#bySource.set(outlet.source, new Lane({ outlet, flight: newFlight(), ...deps }))
    }
  }

  /** The session is over: takes back what is in flight of every source. */
  close(): void {
    for (const lane of this) lane.close()
  }
}
