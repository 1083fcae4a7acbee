import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { crc32c } from '../record/crc32c.ts'

/** Bytes at the beginning by which a file is known again, beside its inode: inodes are given to new files. */
const HEAD_BYTES = 256
/** Suffixes of files that were compressed after they were put away. */
const COMPRESSED = /\.(gz|xz|bz2|zst|lz4|zip)$/

/** How far a file was read, in a form that outlives its name: `inode:bytes of head:CRC of head:offset`. */
export interface FilePlace {
  readonly inode: number
  readonly headBytes: number
  readonly headCrc: number
  readonly offset: number
}

export function placeText({ inode, headBytes, headCrc, offset }: FilePlace): string {
  return `${inode}:${headBytes}:${headCrc}:${offset}`
}

/** The reverse of {@link placeText}; undefined where the text is not one. */
export function parsePlace(text: string): FilePlace | undefined {
  const [inode, headBytes, headCrc, offset, ...rest] = text.split(':').map(Number)
  if (inode === undefined || headBytes === undefined || headCrc === undefined || offset === undefined) return undefined
  const numbers = [inode, headBytes, headCrc, offset]
  return rest.length === 0 && numbers.every(Number.isSafeInteger) ? { inode, headBytes, headCrc, offset } : undefined
}

/** What a file is known by, from its first bytes as far as there are any. */
export function identify(path: string): FilePlace {
  const { ino } = statSync(path)
  return { inode: ino, offset: 0, ...headFacts(headOf(path, HEAD_BYTES)) }
}

/** The same file, by as many of its first bytes as there are by now; undefined where they are not those that it began with. */
export async function identifiedAnew(handle: FileHandle, place: FilePlace): Promise<FilePlace | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  if (bytesRead < place.headBytes || crc32c(buffer.subarray(0, place.headBytes)) !== place.headCrc) return undefined
  return { ...place, ...headFacts(buffer.subarray(0, bytesRead)) }
}

function headFacts(head: Buffer): Pick<FilePlace, 'headBytes' | 'headCrc'> {
  return { headBytes: head.length, headCrc: crc32c(head) }
}

/** Whether the file at `path` is the one that was read up to `place`. */
export function isSameFile(path: string, place: FilePlace): boolean {
  const { ino, size } = statSync(path)
  if (ino !== place.inode || size < place.offset) return false
  const head = headOf(path, place.headBytes)
  return head.length === place.headBytes && crc32c(head) === place.headCrc
}

/** Where a file was put away to, and what was put away after it, oldest first: all that is still to be read before the file itself. */
export function putAway(path: string, place: FilePlace): { readonly files: readonly string[]; readonly isFound: boolean } {
  const folder = dirname(path)
  const name = basename(path)
  const siblings = readdirSync(folder)
    .filter(each => each !== name && each.startsWith(name) && !COMPRESSED.test(each))
    .map(each => join(folder, each))
    .filter(each => statSync(each).isFile())
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
  const at = siblings.findIndex(each => isSameFile(each, place))
  return { files: at < 0 ? [] : siblings.slice(at), isFound: at >= 0 }
}

function headOf(path: string, bytes: number): Buffer {
  const handle = openSync(path, 'r')
  try {
    const head = Buffer.alloc(bytes)
    return head.subarray(0, readSync(handle, head, 0, bytes, 0))
  } finally {
    closeSync(handle)
  }
}
