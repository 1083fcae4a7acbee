import { crc32 } from 'node:zlib'
import { HeadraceError } from '../runtime/errors.ts'

type Value = string | number | null

/**
 * What binds the columns of a row to each other, CRC-32. SQLite finds a page that is no page, and not a byte that turned over in a number: a block with another count gives
 * its records, and all behind them, other numbers.
 */
export function rowSum(values: readonly Value[]): number {
  return crc32(JSON.stringify(values))
}

/** Throws `buffer_corrupt` where a row is not what was written; one of a version that kept no sums (null) passes. */
export function checkRow(values: readonly Value[], sum: number | null, what: string): void {
  if (sum !== null && sum !== rowSum(values)) throw new HeadraceError('buffer_corrupt', `${what} is not what was written`)
}
