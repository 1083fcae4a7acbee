import { HeadraceError } from '../runtime/errors.ts'
import type { BlockRow, Commit, CommitResult, Opened, ReadBatch } from './store-calls.ts'
import type { AsyncStore } from './store-thread.ts'

/** A disk that damages one database after the other is not helped by another one, and each lies aside with all that it held. */
const RENEWALS_MAX = 5

export interface Renewal {
  /** Moves the files of the damaged database aside, and opens a new one in their place. */
  replace(why: string): Promise<AsyncStore>
  /** It was closed for good. */
  closed(): void
}

/** A store that may be exchanged for a new, empty one while the buffer is open: when its database turns out to be damaged. */
export class RenewableStore implements AsyncStore {
  #current: AsyncStore | undefined
  #renewals = 0
  readonly #how: Renewal

  constructor(store: AsyncStore, how: Renewal) {
    this.#current = store
    this.#how = how
  }

  /** Closes the damaged database, which stays aside whole, and goes on with an empty one. Rejects where that cannot be. */
  async renew(why: string): Promise<void> {
    if (this.#renewals >= RENEWALS_MAX)
      throw damaged(`it was damaged ${RENEWALS_MAX} times since the start, the last time: ${why}`)
    // What cannot be read may well not be closed in order.
    await this.#current?.close().catch(() => {})
    this.#current = undefined
    this.#current = await this.#how.replace(why)
    this.#renewals += 1
  }

  get opened(): Opened {
    return this.#store.opened
  }

  async commit(commit: Commit): Promise<CommitResult> {
    return this.#store.commit(commit)
  }

  async read(ids: readonly number[]): Promise<ReadBatch[]> {
    return this.#store.read(ids)
  }

  async scan(after: number, limit: number): Promise<BlockRow[]> {
    return this.#store.scan(after, limit)
  }

  async index(): Promise<Opened> {
    return this.#store.index()
  }

  async close(): Promise<void> {
    await this.#current?.close()
    this.#how.closed()
  }

  get #store(): AsyncStore {
    if (!this.#current) throw damaged('it was moved aside, and no new one could be made yet')
    return this.#current
  }
}

/** Whether an error says that the database does not hold what was written. */
export function isDamaged(error: unknown): boolean {
  return error instanceof HeadraceError && error.code === 'buffer_corrupt'
}

function damaged(what: string): HeadraceError {
  return new HeadraceError('buffer_corrupt', `the database of the buffer is damaged: ${what}`)
}
