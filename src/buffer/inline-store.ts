import { Store } from './store.ts'
import { toError, toFailure } from './store-failure.ts'
import type { AsyncStore, StoreOptions } from './store-thread.ts'

/** A store in the caller's own thread: for simulations, and where a second thread is not worth its memory. */
export function openInlineStore(options: StoreOptions): AsyncStore {
  const known = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw toError(toFailure(error))
    }
  }
  const store = known(() => new Store(options))
  return {
    opened: known(() => store.opened()),
    commit: async commit => known(() => store.commit(commit)),
    read: async ids => known(() => store.read(ids)),
    scan: async (after, limit) => known(() => store.scan(after, limit)),
    index: async () => known(() => store.opened()),
    close: async () => store.close(),
  }
}
