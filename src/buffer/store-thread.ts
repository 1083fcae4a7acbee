import { Worker } from 'node:worker_threads'
import { HeadraceError } from '../runtime/errors.ts'
import type { BufferLimits } from './limits.ts'
import type { BlockRow, Commit, CommitResult, Opened, ReadBatch, Step } from './store-calls.ts'
import { type Failure, toError } from './store-failure.ts'

/*
  The store in a thread of its own: an fsync of 30 ms in the main thread would cost serial data. One request is under way at a time; requests
  and replies are objects as store.ts has them, their bytes moved, not copied.
*/

export type Request =
  | { readonly call: 'commit'; readonly commit: Commit }
  | { readonly call: 'read'; readonly ids: readonly number[] }
  | { readonly call: 'scan'; readonly after: number; readonly limit: number }
  | { readonly call: 'index' }
  | { readonly call: 'close' }

export type Reply =
  | { readonly value: unknown }
  /** `plains`: the records of a commit that failed, given back. */
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
  const ask = <T>(request: Request): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const commit = request.call === 'commit' ? { commit: request.commit } : {}
      waiting.push({ resolve: resolve as (value: unknown) => void, reject, ...commit })
      // Moved, not copied; a commit that fails gives them back.
      worker.postMessage(
        request,
        request.call === 'commit' ? plainsOf(request.commit).map(({ plain }) => plain.buffer as ArrayBuffer) : [],
      )
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
      const result = await ask<CommitResult>({ call: 'commit', commit })
      for (const each of result.results) if (each.kind === 'cut') for (const { batch } of each.batches) restore(batch)
      return result
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

/** The steps of a commit that carry records; each one's memory is its own. */
export function plainsOf(commit: Commit): Extract<Step, { kind: 'insert' }>[] {
  return commit.steps.filter(step => step.kind === 'insert')
}

function giveBack(commit: Commit, plains: readonly Uint8Array[]): void {
  for (const [index, step] of plainsOf(commit).entries()) {
    const plain = plains[index]
    if (plain) step.plain = Buffer.from(plain.buffer as ArrayBuffer, plain.byteOffset, plain.byteLength)
  }
}

/** A Buffer arrives from another thread as a Uint8Array. */
function restore(holder: { readonly bytes: Buffer }): void {
  const { buffer, byteOffset, byteLength } = holder.bytes as Uint8Array
  Object.assign(holder, { bytes: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength) })
}
