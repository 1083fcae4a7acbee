import { readFileSync } from 'node:fs'
import { type ErrorCode, fileReasonOf, HeadraceError } from './errors.ts'

/** A file that the configuration names, as in `tls.cert`. Throws with the file, what it should hold, and why it cannot be read. */
export function readNamedFile(what: string, file: string, code: ErrorCode = 'config_unreadable'): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HeadraceError(code, `${file} (${what}) cannot be read: ${fileReasonOf(cause)}`, {
      advice: 'Look at what the configuration names, and at who may read that file.',
      cause,
    })
  }
}

/** The first line of a file that holds nothing else that counts. Throws as {@link readNamedFile}. */
export function readPassword(file: string): string {
  return readNamedFile('password', file).split(/\r?\n/, 1)[0] ?? ''
}
