import { timingSafeEqual } from 'node:crypto'
import { readNamedFile } from '../runtime/named-file.ts'

/** The token in a file, read anew each time: tokens are renewed while the process runs. Throws `source_failed` where the file cannot be read. */
export function readToken(path: string): string {
  return readNamedFile('token', path, 'source_failed').trim()
}

/** Whether an `Authorization` header carries the token; takes as long whatever is wrong with it. */
export function carriesToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
