import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder, and those above it that are missing, so that a power cut does not take it with all that is synced in it: a name is on the disk once
 * the folder that it stands in was synced. Also where it is there: whoever made it may not have come so far.
 */
export function makeFolderDurably(path: string, mode?: number): void {
  makeEach(path, mode, syncFolder)
}

/**
 * Makes a folder, and those above it that are missing. Node's own way of doing that never ends where a file system has the folder above and takes none in
 * it, such as /proc: whatever a person names goes through here.
 */
export function makeFolder(path: string, mode?: number): void {
  makeEach(path, mode, () => {})
}

/** From the topmost that is missing on; tells of each in which folder it stands. */
function makeEach(path: string, mode: number | undefined, onMade: (above: string) => void): void {
  const above = dirname(path)
  if (!existsSync(above)) makeEach(above, mode, onMade)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
  onMade(above)
}

/** The names in a folder are on the disk when this returns. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
