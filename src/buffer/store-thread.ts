import { Worker } from 'node:worker_threads'
import { HeadraceError } from '../runtime/errors.ts'
import type { BufferLimits } from './limits.ts'
import {
  insertsOf,
  movedMemoryOf,
  type PackedCommit,
  type PackedResult,
  packCommit,
  restore,
  unpackResult,
} from './packed-commit.ts'
import type { BlockRow, Commit, CommitResult, Opened, ReadBatch } from './store-calls.ts'
import { type Failure, toError } from './store-failure.ts'

/*
  The store in a thread of its own: an fsync of 30 ms in the main thread would cost serial data. One request is under way at a time; commits go as packed-commit.ts has them,
  other requests and replies are objects as store.ts has them, and large bytes are moved, not copied.
*/

export type Request =
  | { readonly call: 'commit'; readonly commit: PackedCommit }
  | { readonly call: 'read'; readonly ids: readonly number[] }
  | { readonly call: 'scan'; readonly after: number; readonly limit: number }
  | { readonly call: 'index' }
  | { readonly call: 'close' }

export type Reply =
  | { readonly value: unknown }
  /** `plains`: the blocks of a commit that failed which had been moved, given back. */
  | { readonly failure: Failure; readonly plains?: readonly Uint8Array[] }

export interface StoreOptions {
  readonly path: string
  readonly marksPath: string
  /** Of the database and the file of blocks together. */
  readonly quotaBytes: number
  readonly limits: BufferLimits
}

/** The store as the buffer sees it: the same calls, answered later. */
export interface AsyncStore {
  readonly opened: Opened
  commit(commit: Commit): Promise<CommitResult>
  read(ids: readonly number[]): Promise<ReadBatch[]>
  scan(after: number, limit: number): Promise<BlockRow[]>
  index(): Promise<Opened>
  close(): Promise<void>
}

/** What the thread makes is large and lives until it is written, or small and soon over. */
const YOUNG_MIB = 3

/** Starts the thread; resolves when the database is open there. Rejects with the store's own error. */
export async function openStoreThread(options: StoreOptions): Promise<AsyncStore> {
  const worker = new Worker(new URL('./store-worker.ts', import.meta.url), {
    workerData: { headraceStore: options },
    name: 'buffer',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  })
  const waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void; commit?: Commit }[] = []
  const failAll = (error: Error) => {
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  worker.on('message', (reply: Reply) => {
    const next = waiting.shift()
    if ('failure' in reply) {
      if (next?.commit && reply.plains) giveBack(next.commit, reply.plains)
      next?.reject(toError(reply.failure))
    } else next?.resolve(reply.value)
  })
  worker.on('error', failAll)
  worker.on('exit', () => failAll(new HeadraceError('internal', 'the thread of the buffer has ended')))
  const ask = <T>(request: Request, moved: ArrayBuffer[] = [], commit?: Commit): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ resolve: resolve as (value: unknown) => void, reject, ...(commit && { commit }) })
      worker.postMessage(request, moved)
    })
  const opened = await new Promise<Opened>((resolve, reject) =>
    waiting.push({ resolve: resolve as (value: unknown) => void, reject }),
  ).catch(async error => {
    await worker.terminate()
    throw error
  })
  return {
    opened,
    async commit(commit) {
      const { packed, moved } = packCommit(commit)
      return unpackResult(await ask<PackedResult>({ call: 'commit', commit: packed }, moved, commit))
    },
    async read(ids) {
      const batches = await ask<ReadBatch[]>({ call: 'read', ids })
      for (const batch of batches) if ('bytes' in batch) restore(batch)
      return batches
    },
    scan: (after, limit) => ask({ call: 'scan', after, limit }),
    index: () => ask({ call: 'index' }),
    async close() {
      try {
        await ask({ call: 'close' })
      } finally {
        await worker.terminate()
      }
    },
  }
}

function giveBack(commit: Commit, plains: readonly Uint8Array[]): void {
  for (const [index, step] of insertsOf(commit).filter(movedMemoryOf).entries()) {
    const plain = plains[index]
    if (plain) step.plain = Buffer.from(plain.buffer as ArrayBuffer, plain.byteOffset, plain.byteLength)
  }
}
