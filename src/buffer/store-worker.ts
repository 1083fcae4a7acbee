import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../runtime/clock.ts'
import { collectGarbage } from '../runtime/garbage.ts'
import { allowGarbage } from '../runtime/garbage-allowed.ts'
import { ownMemoryOf } from '../runtime/give-back.ts'
import { collectWhenIdle } from '../runtime/idle-collection.ts'
import { type PackedCommit, packResult, unpackCommit } from './packed-commit.ts'
import { Store } from './store.ts'
import { toFailure } from './store-failure.ts'
import type { Reply, Request, StoreOptions } from './store-thread.ts'

/* What runs in the thread of the store: see store-thread.ts, which starts it and is all that the main thread loads. */

function serve(options: StoreOptions): void {
  const port = parentPort
  if (!port) return
  const answer = <T>(make: () => T, moved: (value: T) => ArrayBuffer[] = () => []) => {
    try {
      const value = make()
      port.postMessage({ value } satisfies Reply, moved(value))
    } catch (error) {
      port.postMessage({ failure: toFailure(error) } satisfies Reply)
    }
  }
  let store: Store | undefined
  answer(() => {
    store = new Store(options)
    return store.opened()
  })
  collectGarbage()
  collectWhenIdle({ clock: systemClock })
  allowGarbage(systemClock)
  port.on('message', (request: Request) => {
    const open = store
    if (!open) return
    switch (request.call) {
      case 'commit':
        return commitAndAnswer(port, open, request.commit)
      case 'read':
        return answer(() => open.read(request.ids), memoriesOf)
      case 'scan':
        return answer(() => open.scan(request.after, request.limit))
      case 'index':
        return answer(() => open.opened())
      case 'close':
        return answer(() => open.close())
    }
  })
}

function commitAndAnswer(port: MessagePort, store: Store, packed: PackedCommit): void {
  const { pieces, large: plains } = packed.inserts
  try {
    const { packed: value, moved } = packResult(store.commit(unpackCommit(packed)))
    port.postMessage({ value } satisfies Reply, moved)
    for (const { buffer } of [...pieces, ...plains]) release(buffer as ArrayBuffer)
  } catch (error) {
    const reply: Reply = { failure: toFailure(error), plains }
    port.postMessage(
      reply,
      plains.map(({ buffer }) => buffer as ArrayBuffer),
    )
  }
}

/** Gives memory back at once. This thread makes so little of its own that nothing would be collected before tens of megabytes lie about. */
function release(memory: ArrayBuffer): void {
  if (!memory.detached) memory.transfer(0)
}

/** What owns its memory can be moved to the main thread. */
function memoriesOf(all: readonly ({ readonly bytes: Buffer } | { readonly damaged: string })[]): ArrayBuffer[] {
  return all.flatMap(each => ('bytes' in each ? (ownMemoryOf(each.bytes) ?? []) : []))
}

const own = workerData as { headraceStore?: StoreOptions } | null
if (own?.headraceStore) serve(own.headraceStore)
