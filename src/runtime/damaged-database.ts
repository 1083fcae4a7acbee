import { HeadraceError, messageOf } from './errors.ts'

/** SQLite's own words for a file that does not hold what was written. */
const DAMAGED_CODES = ['SQLITE_CORRUPT', 'SQLITE_NOTADB']

/** What the names of the files of one database end in. */
export const DATABASE_ENDINGS = ['', '-wal', '-shm'] as const

export function isDamagedDatabase(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && DAMAGED_CODES.some(each => code.startsWith(each))
}

/** What a person is told of a file that holds what nothing else has. */
export interface FileOfState {
  readonly path: string
  /** What lies there. */
  readonly what: string
  /** What to do where it cannot be opened. */
  readonly advice: string
}

/** Opens a file of the state directory. Throws `state_damaged` or `disk_unusable` with the file and what to do, where SQLite says only that it cannot. */
export function openStateFile<Opened>({ path, what, advice }: FileOfState, open: (path: string) => Opened): Opened {
  try {
    return open(path)
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause
    const code = isDamagedDatabase(cause) ? 'state_damaged' : 'disk_unusable'
    throw new HeadraceError(code, `${path} cannot be opened as ${what}: ${messageOf(cause)}`, { advice, cause })
  }
}
