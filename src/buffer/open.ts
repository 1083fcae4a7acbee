import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import { messageOf } from '../runtime/errors.ts'
import { processMemory } from '../runtime/process-memory.ts'
import type { EdgeBuffer, SourceSettings } from './buffer.ts'
import { DATABASE_FILE, DATABASE_FILES } from './database-files.ts'
import { type BufferDeps, SqliteEdgeBuffer } from './edge-buffer.ts'
import { limitsOf } from './limits.ts'
import { readInstance, readMarks } from './marks.ts'
import { isDamaged, RenewableStore } from './renewable-store.ts'
import { StateLock } from './state-lock.ts'
import { type AsyncStore, openStoreThread, type StoreOptions } from './store-thread.ts'

export interface EdgeBufferOptions extends BufferDeps {
  readonly sources: readonly SourceSettings[]
  readonly random: () => number
  /** Where the database is worked on; `thread` unless set. */
  readonly worker?: 'thread' | 'inline'
  /** What works on the database, in place of that: a simulation hands in a disk that fails, a test what breaks a rule. */
  readonly openStore?: (store: StoreOptions) => AsyncStore | Promise<AsyncStore>
}

/**
 * Opens the buffer of a gateway. A damaged database is moved aside whole, and a new one goes on at the marks. Rejects with `state_locked` where
 * another process uses the directory, `buffer_corrupt` where the marks cannot be read, `config_invalid` where a newer version wrote it.
 */
export async function openEdgeBuffer(options: EdgeBufferOptions): Promise<EdgeBuffer> {
  makeFolderDurably(options.stateDir, 0o750)
  const lock = StateLock.take(options.stateDir)
  try {
    const limits = options.limits ?? limitsOf(processMemory())
    const marksPath = join(options.stateDir, 'marks.json')
    const marks = readMarks(marksPath)
    const instance = readInstance(join(options.stateDir, 'identity.json'))
    const place = {
      path: join(options.stateDir, DATABASE_FILE),
      marksPath,
      quotaBytes: options.quotaBytes,
      limits,
    }
    const replace = (why: string) => openAnew(options, place, why)
    const store = new RenewableStore(await openStore(options, place, replace), { replace, closed: () => lock.release() })
    return new SqliteEdgeBuffer(store, options.sources, marks, instance, { ...options, limits })
  } catch (error) {
    lock.release()
    throw error
  }
}

async function openStore(
  options: EdgeBufferOptions,
  place: StoreOptions,
  replace: (why: string) => Promise<AsyncStore>,
): Promise<AsyncStore> {
  try {
    return await openOne(options, place)
  } catch (error) {
    if (!isDamaged(error)) throw error
    return replace(messageOf(error))
  }
}

/** Moves what is damaged aside whole, and opens an empty database in its place. */
async function openAnew(options: EdgeBufferOptions, place: StoreOptions, why: string): Promise<AsyncStore> {
  const aside = join(options.stateDir, `damaged-${new Date(options.clock.wallMs()).toISOString().replaceAll(':', '')}`)
  makeFolderDurably(aside)
  for (const file of DATABASE_FILES) {
    if (existsSync(join(options.stateDir, file))) renameSync(join(options.stateDir, file), join(aside, file))
  }
  options.log.error({}, `the buffer's database is damaged and was moved to ${aside}: ${why}`)
  options.alarms.raise('buffer_damaged', {
    message: `The buffer's database was damaged (${why}) and was moved to ${aside}.`,
    advice: 'Look at the disk. What was buffered and not yet sent is declared as a gap; the damaged file may still hold it.',
  })
  return openOne(options, place)
}

async function openOne(options: EdgeBufferOptions, place: StoreOptions): Promise<AsyncStore> {
  if (options.openStore) return options.openStore(place)
  if (options.worker !== 'inline') return openStoreThread(place)
  const { openInlineStore } = await import('./inline-store.ts')
  return openInlineStore(place)
}
