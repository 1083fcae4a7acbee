import { type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { ERROR_CODES, type ErrorCode, HeadraceError } from '../runtime/errors.ts'
import { Store } from './store.ts'
import type { BlockRow, Commit, CommitResult, Opened, ReadBatch, Step } from './store-calls.ts'

/*
  The store in a thread of its own: an fsync of 30 ms in the main thread would cost serial data. One request is under way at a time; requests
  and replies are objects as store.ts has them, their bytes moved, not copied.
*/

type Request =
  | { readonly call: 'commit'; readonly commit: Commit }
  | { readonly call: 'read'; readonly ids: readonly number[] }
  | { readonly call: 'scan'; readonly after: number; readonly limit: number }
  | { readonly call: 'index' }
  | { readonly call: 'close' }

interface Failure {
  readonly code: string
  readonly message: string
  readonly advice: string | undefined
}

/** What SQLite says of a file that does not hold what was written. Everything else says nothing about the file. */
const DAMAGED = ['SQLITE_CORRUPT', 'SQLITE_NOTADB']

type Reply =
  | { readonly value: unknown }
  /** `plains`: the records of a commit that failed, given back. */
  | { readonly failure: Failure; readonly plains?: readonly Uint8Array[] }

export interface StoreOptions {
  readonly path: string
  readonly marksPath: string
  readonly quotaBytes: number
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

/** Starts the thread; resolves when the database is open there. Rejects with the store's own error. */
export async function openStoreThread(options: StoreOptions): Promise<AsyncStore> {
  const worker = new Worker(new URL('./store-thread.ts', import.meta.url), {
    workerData: { headraceStore: options },
    name: 'buffer',
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
function plainsOf(commit: Commit): Extract<Step, { kind: 'insert' }>[] {
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

function toError({ code, message, advice }: Failure): HeadraceError {
  const known = ERROR_CODES.find(each => each === code) as ErrorCode | undefined
  return new HeadraceError(known ?? 'buffer_corrupt', message, advice === undefined ? {} : { advice })
}

function toFailure(error: unknown): Failure {
  if (error instanceof HeadraceError) return { code: error.code, message: error.message, advice: error.advice }
  const { code, message } = error as { code?: string; message?: string }
  const text = `${code ?? ''} ${message ?? String(error)}`.trim()
  if (DAMAGED.some(known => code?.startsWith(known))) return { code: 'buffer_corrupt', message: text, advice: undefined }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC')
    return { code: 'disk_full', message: text, advice: 'Free space on the file system of the state directory.' }
  const advice = 'Look at owner, permissions and mount of the state directory, and at the disk. Nothing in it was changed.'
  return { code: 'disk_unusable', message: text, advice }
}

function serve(options: StoreOptions): void {
  const port = parentPort
  if (!port) return
  const answer = (make: () => unknown) => {
    try {
      port.postMessage({ value: make() } satisfies Reply)
    } catch (error) {
      port.postMessage({ failure: toFailure(error) } satisfies Reply)
    }
  }
  let store: Store | undefined
  answer(() => {
    store = new Store(options)
    return store.opened()
  })
  port.on('message', (request: Request) => {
    const open = store
    if (!open) return
    switch (request.call) {
      case 'commit':
        return commitAndAnswer(port, open, request.commit)
      case 'read':
        return answer(() => open.read(request.ids))
      case 'scan':
        return answer(() => open.scan(request.after, request.limit))
      case 'index':
        return answer(() => open.opened())
      case 'close':
        return answer(() => open.close())
    }
  })
}

function commitAndAnswer(port: MessagePort, store: Store, commit: Commit): void {
  try {
    const value = store.commit(commit)
    port.postMessage({ value } satisfies Reply, batchBuffers(value))
    for (const { plain } of plainsOf(commit)) release(plain.buffer as ArrayBuffer)
  } catch (error) {
    const plains = plainsOf(commit).map(({ plain }) => plain)
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

/** The encoded batches of a commit own their memory, so that it can be moved to the main thread. */
function batchBuffers({ results }: CommitResult): ArrayBuffer[] {
  return results.flatMap(each => {
    if (each.kind !== 'cut') return []
    const memories = each.batches
      .map(({ batch }) => batch.bytes)
      .filter(({ buffer, byteLength }) => buffer.byteLength === byteLength)
    return memories.map(({ buffer }) => buffer as ArrayBuffer)
  })
}

const own = workerData as { headraceStore?: StoreOptions } | null
if (own?.headraceStore) serve(own.headraceStore)
