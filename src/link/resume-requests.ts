import type { OpenedSource } from '../amqp/messages.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

/** How long an operator's `source resume` waits for the core, ms; after that nothing is asked for any more. */
const RESUME_TIMEOUT_MS = 30_000

/** What became of a `source resume`. */
export type Resumed =
  | { readonly outcome: 'resumed'; readonly epoch: number; readonly from: number }
  | { readonly outcome: 'refused'; readonly message: string; readonly advice: string }

interface Request {
  readonly resolve: (resumed: Resumed) => void
  readonly promise: Promise<Resumed>
  readonly timer: Timer
}

/** Sources for which an operator wants a new epoch, until the core has answered. */
export class ResumeRequests {
  readonly #clock: Clock
  readonly #open = new Map<string, Request>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves with what became of it; never rejects. Asked twice, it is one request. */
  ask(source: string): Promise<Resumed> {
    const standing = this.#open.get(source)
    if (standing) return standing.promise
    const { promise, resolve } = Promise.withResolvers<Resumed>()
    const timer = this.#clock.after(RESUME_TIMEOUT_MS, () => this.#resolve(source, unanswered(source)))
    this.#open.set(source, { resolve, promise, timer })
    return promise
  }

  /** The sources to ask for. */
  open(): string[] {
    return [...this.#open.keys()]
  }

  answer(source: string, entry: OpenedSource): void {
    if ('error' in entry) this.#resolve(source, { outcome: 'refused', message: entry.error.message, advice: entry.error.advice })
    else this.#resolve(source, { outcome: 'resumed', epoch: entry.epoch, from: entry.end })
  }

  end(): void {
    for (const source of this.open()) this.#resolve(source, unanswered(source))
  }

  #resolve(source: string, resumed: Resumed): void {
    const request = this.#open.get(source)
    this.#open.delete(source)
    request?.timer.cancel()
    request?.resolve(resumed)
  }
}

function unanswered(source: string): Resumed {
  return {
    outcome: 'refused',
    message: `The core did not answer for ${source}.`,
    advice: 'Try again when `headrace status` shows the link sending.',
  }
}
