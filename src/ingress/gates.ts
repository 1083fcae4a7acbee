import type { Claim, Log, Place } from '../log/log.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { sourceKey } from '../runtime/names.ts'
import type { DeadLetters } from './dead-letters.ts'
import { Gate, type GateDeps } from './gate.ts'

export interface GatesDeps {
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  readonly deadLetters: DeadLetters
  readonly signal: AbortSignal
  readonly waitingMax?: number | undefined
  readonly standing?: GateDeps['standing']
  readonly newSuspicion?: GateDeps['newSuspicion']
}

/** The gates of this ingress, one for each partition that a gateway asked for. A gate outlives sessions: what it learnt of its partition holds for all. */
export class Gates {
  readonly #deps: GatesDeps
  readonly #byPlace = new Map<string, Gate>()
  readonly #endVoiding: () => void

  constructor(deps: GatesDeps) {
    this.#deps = deps
    this.#endVoiding = deps.log.onProofsVoid(() => {
      for (const gate of this.#byPlace.values()) gate.voidProof()
    })
  }

  of(claim: Claim): Gate {
    const key = `${claim.topic}/${claim.partition}/${claim.topicId}`
    const known = this.#byPlace.get(key)
    if (known) return known
    const place: Place = { topic: claim.topic, partition: claim.partition }
    const { standing, newSuspicion, ...deps } = this.#deps
    const rules = { ...(standing && { standing }), ...(newSuspicion && { newSuspicion }) }
    const source = sourceKey(claim.source)
    const logger = deps.logger.child({ source, ...place })
    const { gateway } = claim.source
    const gate = new Gate({ ...deps, place, source, gateway, logger, ...rules })
    this.#byPlace.set(key, gate)
    return gate
  }

  /** For how long the slowest of them has been at one step, ms. */
  get atOneStepMs(): number {
    return Math.max(0, ...[...this.#byPlace.values()].map(gate => gate.atOneStepMs))
  }

  /** Resolves when nothing waits at any gate. */
  async idle(): Promise<void> {
    await Promise.all([...this.#byPlace.values()].map(gate => gate.idle()))
  }

  end(): void {
    this.#endVoiding()
  }
}
