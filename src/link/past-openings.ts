import { LINK_LIMITS } from './limits.ts'
import type { Next } from './link-state.ts'

/** How long the core may take to answer an opening, ms: at first, and at the most. It makes topics for new sources meanwhile. */
const REPLY_TIMEOUT_MS = { first: 3_000, max: 60_000 }

/** What the openings so far teach the next one, beyond the connection that they were made on: how long to wait, and which session to go above. */
export class PastOpenings {
  readonly #unansweredMax: number
  #unanswered = 0
  #newestSession: number | undefined
  #isBehind = false

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

  /** The core took one in. */
  taken(): void {
    this.#isBehind = false
  }

  /** No answer came in time. Whether the connection is to be given up. */
  unanswered(): boolean {
    this.#unanswered += 1
    return this.#unanswered % this.#unansweredMax === 0
  }

  /** The core knows a session that is not below ours: the next goes one above it. At once the first time; whoever says so of that one too may do so for ever. */
  notNew(newest: number): Next {
    const isFirst = !this.#isBehind
    this.#isBehind = true
    this.#newestSession = newest
    return isFirst ? 'at once' : 'again'
  }
}
