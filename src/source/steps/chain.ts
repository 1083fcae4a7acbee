import type { Clock } from '../../runtime/clock.ts'
import type { Flowing } from './flowing.ts'
import type { ChosenStep } from './options.ts'
import type { Step } from './step.ts'

/** What one step has done, as `status` shows it. */
export interface StepCounts {
  readonly step: string
  readonly taken: number
  readonly withheld: number
  /** Passed on as they came, because the step could not read them. */
  readonly unread: number
}

/** The steps of one source, one behind the other; what comes out of the last goes to `onRecord`. */
export class StepChain {
  readonly #counts: { step: string; taken: number; withheld: number; unread: number }[] = []
  readonly #steps: Step[] = []
  readonly #onRecord: (record: Flowing) => void

  constructor(steps: readonly ChosenStep[], clock: Clock, onRecord: (record: Flowing) => void) {
    this.#onRecord = onRecord
    for (const [index, { kind, options }] of steps.entries()) {
      const counts = { step: kind.kind, taken: 0, withheld: 0, unread: 0 }
      this.#counts.push(counts)
      this.#steps.push(
        kind.open(options, {
          clock,
          pass: record => this.#take(index + 1, record),
          withhold: () => {
            counts.withheld += 1
          },
          unread: () => {
            counts.unread += 1
          },
        }),
      )
    }
  }

  take(record: Flowing): void {
    this.#take(0, record)
  }

  /** Hands on what the steps hold, the first one's first. */
  end(): void {
    for (const step of this.#steps) step.end?.()
  }

  counts(): readonly StepCounts[] {
    return this.#counts.map(counts => ({ ...counts }))
  }

  #take(index: number, record: Flowing): void {
    const step = this.#steps[index]
    const counts = this.#counts[index]
    if (!step || !counts) {
      this.#onRecord(record)
      return
    }
    counts.taken += 1
    step.take(record)
  }
}
