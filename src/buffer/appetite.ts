import type { BufferLimits } from './limits.ts'
import type { SourceBuffer } from './source-buffer.ts'
import type { BlockRow } from './store-calls.ts'

/** Its stored bytes: what compresses better than this fits with others into a batch, and is worth encoding again. */
const LARGE_ROW_BYTES = 6 * 1024

/** Uncut blocks that make one batch. */
export interface Merge {
  readonly rows: readonly BlockRow[]
  readonly records: number
  /** Nothing that comes later could go into it. */
  readonly isWhole: boolean
}

/** What of a source's uncut blocks, from the `at`-th that is known, goes into its next batch. No rows where no block is known there. */
export function nextMerge(source: SourceBuffer, at: number, limits: BufferLimits): Merge {
  const { uncut, uncutBlocks, assignment } = source
  const bytesMax = Math.min(limits.mergeBytes, assignment?.batchBytesMax ?? limits.mergeBytes)
  const rows: BlockRow[] = []
  let records = 0
  let bytes = 0
  for (let row = uncut[at]; row; row = uncut[at + rows.length]) {
    const isFull = records + row.count > limits.blockRecords || bytes + row.bytes > bytesMax
    const isWhole = isFull || row.bytes >= LARGE_ROW_BYTES
    if (rows.length > 0 && isWhole) return { rows, records, isWhole }
    rows.push(row)
    records += row.count
    bytes += row.bytes
    if (isWhole) return { rows, records, isWhole }
  }
  // Where the window ends and the backlog does not, it goes as it is: to wait for more would be to wait for the link.
  return { rows, records, isWhole: uncutBlocks > uncut.length }
}

/** Batches of a source that are cut and not yet taken by the link, in memory or not; counted up to `max`. */
export function untakenOf({ cut, position }: SourceBuffer, max: number): number {
  return Math.min(max, cut.length - cut.from(position))
}

/**
 * Whether one batch more may be cut for a source of which so many are cut and not taken. One that more could go into is cut only where none waits for the
 * link: it would wait behind that one, and what comes meanwhile behind both, though the core stores batches of a source one after another. Cut later, it
 * takes all of that along. The first one is always granted: a source that the link does not serve must not hold up the others.
 */
export function hasAppetite(untaken: number, isWhole: boolean, readyBytes: number, limits: BufferLimits): boolean {
  return untaken < (isWhole && readyBytes < limits.readyBytes ? limits.readyBatches : 1)
}
