import type { OpenedSource, OpenSource } from '../amqp/messages.ts'
import { type Fields, fieldsForRegistry } from '../record/fields.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import { LINK_LIMITS } from './limits.ts'

/** Until news of a source that were not answered are told again, ms: a core of an older version never answers. */
const TELL_AGAIN_AFTER_MS = 10_000

/** Whether a source is read; `leaving`: retired, and the core has not said yet that it knows; `left`: it has. */
export type Standing = 'read' | 'leaving' | 'left'

/** What this gateway knows of its sources beside their records. */
export interface SourceFacts {
  /** The same object as long as nothing changed. */
  fieldsOf(source: string): Fields | undefined
  standingOf(source: string): Standing
  /** The core has the source as retired. */
  left(source: string): void
}

/** Facts of sources of which nothing is known. */
export const NO_FACTS: SourceFacts = { fieldsOf: () => undefined, standingOf: () => 'read', left: () => {} }

/** Which sources an opening names, and what it tells of them; remembers what the core has heard. */
export class Telling {
  readonly #lanes: Lanes
  readonly #facts: SourceFacts
  readonly #clock: Clock
  readonly #fieldsBytes: number
  /** What was told last of each, and whether the core has answered since. */
  readonly #told = new Map<string, { readonly fields: Fields | undefined; readonly isRetired: boolean; heard: boolean }>()
  readonly #tellAtMs = new Map<string, number>()

  constructor(lanes: Lanes, facts: SourceFacts, clock: Clock, fieldsBytes = LINK_LIMITS.fieldsInOpeningBytes) {
    this.#lanes = lanes
    this.#facts = facts
    this.#clock = clock
    this.#fieldsBytes = fieldsBytes
  }

  /** Every source that this gateway may send, and those of which a person wants a new epoch. */
  all(resume: readonly string[]): OpenSource[] {
    const isNamed = ({ source }: Lane) => this.#facts.standingOf(source) !== 'left' || resume.includes(source)
    return this.of([...this.#lanes].filter(isNamed), resume)
  }

  of(lanes: readonly Lane[], resume: readonly string[] = []): OpenSource[] {
    let room = this.#fieldsBytes
    return lanes.map(lane => {
      const { source, outlet } = lane
      this.#tellAtMs.set(source, this.#clock.monotonicMs() + TELL_AGAIN_AFTER_MS)
      const known = this.#facts.fieldsOf(source)
      const fields = known && fieldsForRegistry(known)
      room -= fields ? Buffer.byteLength(JSON.stringify(fields)) : 0
      const isTold = fields !== undefined && room >= 0
      const isRetired = this.#isGone(lane) && !resume.includes(source)
      if (isTold || fields === undefined) this.#told.set(source, { fields: known, isRetired, heard: false })
      return { source, topic: outlet.topic, ...(isTold && { fields }), ...(isRetired && { retired: true as const }) }
    })
  }

  /** The core has answered for this source. */
  heard(entry: OpenedSource): void {
    if ('error' in entry) return
    const told = this.#told.get(entry.source)
    if (told) told.heard = true
    if (entry.retired) this.#facts.left(entry.source)
  }

  /** Whether there are news of an open source that the core should hear now: at once the first time, and again after a while where nothing came of it. */
  isDue(lane: Lane): boolean {
    if (lane.state !== 'open') return false
    const told = this.#told.get(lane.source)
    const isGone = this.#isGone(lane)
    const isNews = !told || told.fields !== this.#facts.fieldsOf(lane.source) || (isGone && !told.isRetired)
    if (isNews) return true
    return (isGone || !told.heard) && this.#clock.monotonicMs() >= (this.#tellAtMs.get(lane.source) ?? 0)
  }

  /** Retired, and the log has all of it. */
  #isGone(lane: Lane): boolean {
    return this.#facts.standingOf(lane.source) === 'leaving' && lane.isDrained
  }
}
