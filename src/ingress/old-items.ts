import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { SourceId } from '../runtime/names.ts'
import type { AtHand, Item } from './at-hand.ts'
import type { Parking } from './parking.ts'

/** What cannot be set aside now is tried again after so long, ms. */
const TRY_AGAIN_AFTER_MS = 2_000

export interface OldItemsDeps {
  readonly source: SourceId
  readonly items: AtHand
  readonly parking: Parking
  readonly bytesOf: (item: Item) => Buffer
  /** It lies with what is set aside: nobody has to keep it any more. */
  readonly settled: (item: Item) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** What is at hand of epochs before a resume, whose numbers are somebody else's now: set aside for a person, sooner or later, and never offered. */
export class OldItems {
  readonly #deps: OldItemsDeps
  #epoch = 0
  #working = false

  constructor(deps: OldItemsDeps) {
    this.#deps = deps
  }

  /** The source is at this epoch. */
  setAside(epoch: number): void {
    this.#epoch = epoch
    if (!this.#working && !this.#trySettingAside()) void this.#goOn()
  }

  async #goOn(): Promise<void> {
    const { clock, signal } = this.#deps
    this.#working = true
    do await pause(clock, TRY_AGAIN_AFTER_MS, signal).catch(() => {})
    while (!signal.aborted && !this.#trySettingAside())
    this.#working = false
  }

  /** False where something is left. */
  #trySettingAside(): boolean {
    const { source, items, parking, bytesOf, settled, logger } = this.#deps
    try {
      for (const item of items.belowEpoch(this.#epoch)) {
        const why = `it is of epoch ${item.epoch}, the source is at ${this.#epoch}`
        if (!parking.setAside({ ...source, sequence: item.sequence, bytes: bytesOf(item), why })) return false
        settled(item)
      }
      return true
    } catch (cause) {
      logger.warn({ reason: messageOf(cause) }, 'what is of an older epoch cannot be set aside now')
      return false
    }
  }
}
