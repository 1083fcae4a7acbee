import { DATABASE_ENDINGS } from '../runtime/damaged-database.ts'

/** The database of the buffer, in its folder. */
export const DATABASE_FILE = 'buffer.db'

/** Beside it: what is too large to be written twice, as SQLite does with all that it holds. */
export const BLOCKS_FILE = 'blocks.dat'

/** All that belongs together: the database, what SQLite keeps beside it, and the file of blocks. */
export const DATABASE_FILES = [...DATABASE_ENDINGS.map(ending => `${DATABASE_FILE}${ending}`), BLOCKS_FILE]
