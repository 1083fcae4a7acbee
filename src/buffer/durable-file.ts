import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from '../runtime/durable-folder.ts'

/** Writes a small file so that after a power cut either the old content is there or the new: temporary file, fsync, rename, fsync of the folder. */
export function writeDurably(path: string, content: string | Buffer): void {
  const fresh = `${path}.new`
  const file = openSync(fresh, 'w', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(fresh, path)
  syncFolder(dirname(path))
}
