/** BROKEN on purpose, loaded before a process and each of its threads: commits return before anything is on the disk. */
import Database from 'better-sqlite3'

const pragma = Database.prototype.pragma
Database.prototype.pragma = function (source, ...rest) {
  return pragma.call(this, source.startsWith('synchronous') ? 'synchronous = OFF' : source, ...rest)
}
