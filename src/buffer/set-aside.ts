import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../runtime/logger.ts'
import { writeDurably } from './durable-file.ts'
import type { CutRow } from './source-buffer.ts'
import type { AsyncStore } from './store-thread.ts'

/** Writes batches that have no place in the log any more to files, one each, so that a person can still look at what they held. */
export async function setAside(
  deps: { readonly store: AsyncStore; readonly folder: string; readonly log: Logger },
  source: string,
  rows: readonly CutRow[],
): Promise<void> {
  if (rows.length === 0) return
  const { store, folder, log } = deps
  mkdirSync(folder, { recursive: true })
  for (const row of rows) {
    const [read] = await store.read([row.id])
    if (read && 'bytes' in read) writeDurably(join(folder, `${source}-${row.first}.batch`), read.bytes)
  }
  log.warn({ source, batches: rows.length }, `batches without a place in the log were set aside in ${folder}`)
}
