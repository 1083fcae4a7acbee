import { join } from 'node:path'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import type { Logger } from '../runtime/logger.ts'
import { visitBlock } from './block-codec.ts'
import { writeDurably } from './durable-file.ts'
import type { BlockRow } from './store-calls.ts'
import type { AsyncStore } from './store-thread.ts'

/**
 * Writes blocks that have no place in the log any more to files, one each, so that a person can still look at what they held: batches as they are, what
 * has no numbers as NDJSON.
 */
export async function setAside(
  deps: { readonly store: AsyncStore; readonly folder: string; readonly log: Logger },
  source: string,
  rows: readonly Pick<BlockRow, 'id' | 'first'>[],
): Promise<void> {
  if (rows.length === 0) return
  const { store, folder, log } = deps
  makeFolderDurably(folder)
  for (const { id, first } of rows) {
    const [read] = await store.read([id])
    if (!read || 'damaged' in read) continue
    if (first !== null) writeDurably(join(folder, `${source}-${first}.batch`), read.bytes)
    else writeDurably(join(folder, `${source}-uncut-${id}.ndjson`), linesOf(read.bytes))
  }
  log.warn({ source, blocks: rows.length }, `blocks without a place in the log were set aside in ${folder}`)
}

/** The oldest uncut blocks of a source, at most `blocks`; one look brings `scanRows` rows. */
export async function oldestUncut(
  store: AsyncStore,
  source: number,
  { blocks, scanRows }: { readonly blocks: number; readonly scanRows: number },
): Promise<BlockRow[]> {
  const found: BlockRow[] = []
  for (let after = 0; found.length < blocks; ) {
    const rows = await store.scan(after, scanRows)
    found.push(...rows.filter(row => row.source === source).slice(0, blocks - found.length))
    const last = rows.at(-1)
    if (!last) break
    after = last.id
  }
  return found
}

function linesOf(block: Buffer): string {
  let text = ''
  visitBlock(block, (timeMs, bytes, from, to) => {
    text += `${JSON.stringify({ time_ms: timeMs, value_base64: bytes.toString('base64', from, to) })}\n`
  })
  return text
}
