import { LINK_LIMITS } from './limits.ts'
import type { Next } from './link-state.ts'

/** How long the core may take to answer an opening, ms: at first, and at the most. It makes topics for new sources meanwhile. */
const REPLY_TIMEOUT_MS = { first: 3_000, max: 60_000 }

/** What the openings so far teach the next one, beyond the connection that they were made on: how long to wait, and which session to go above. */
export class PastOpenings {
  readonly #unansweredMax: number
  #unanswered = 0
  #newestSession: number | undefined

  constructor(unansweredMax = LINK_LIMITS.unansweredOpenings) {
    this.#unansweredMax = unansweredMax
  }

  /** The newest session that the core knows of this gateway, once it was not below ours. */
  get newestSession(): number | undefined {
    return this.#newestSession
  }

  /** Openings without an answer, since the last that had one. */
  get unansweredCount(): number {
    return this.#unanswered
  }

  /** How long the next one is waited for: a core that is slow gets more time with each. */
  get replyTimeoutMs(): number {
    return Math.min(REPLY_TIMEOUT_MS.max, REPLY_TIMEOUT_MS.first * 2 ** Math.min(this.#unanswered, 10))
  }

  answered(): void {
    this.#unanswered = 0
  }

  /** No answer came in time. Whether the connection is to be given up. */
  unanswered(): boolean {
    this.#unanswered += 1
    return this.#unanswered % this.#unansweredMax === 0
  }

  /** The core knows a session that is not below ours: the next goes one above it. */
  notNew(newest: number): Next {
    const first = this.#newestSession === undefined || newest > this.#newestSession
    this.#newestSession = newest
    return first ? 'at once' : 'again'
  }
}
