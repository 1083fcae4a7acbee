/** SQLite's own words for a file that does not hold what was written. */
const DAMAGED_CODES = ['SQLITE_CORRUPT', 'SQLITE_NOTADB']

/** What the names of the files of one database end in. */
export const DATABASE_ENDINGS = ['', '-wal', '-shm'] as const

export function isDamagedDatabase(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && DAMAGED_CODES.some(each => code.startsWith(each))
}
