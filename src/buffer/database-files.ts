/** The database of the buffer, in its folder. */
export const DATABASE_FILE = 'buffer.db'

/** It, and what SQLite keeps beside it. */
export const DATABASE_FILES = ['', '-wal', '-shm'].map(ending => `${DATABASE_FILE}${ending}`)
