import { closeSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { crc32c } from '../record/crc32c.ts'

/** Bytes at the beginning by which a file is known again, beside its inode: inodes are given to new files. */
const HEAD_BYTES = 256
/** Suffixes of files that were compressed after they were put away. */
const COMPRESSED = /\.(gz|xz|bz2|zst|lz4|zip)$/

/** How far a file was read, in a form that outlives its name: `inode:bytes of head:CRC of head:offset:time of change`. */
export interface FilePlace {
  readonly inode: number
  readonly headBytes: number
  readonly headCrc: number
  readonly offset: number
  /** When it had been written to last by the time it was read, µs since 1970; 0 in what version 0.1 has left. */
  readonly changedUs: number
}

export function placeText({ inode, headBytes, headCrc, offset, changedUs }: FilePlace): string {
  return `${inode}:${headBytes}:${headCrc}:${offset}:${changedUs}`
}

/** The reverse of {@link placeText}; undefined where the text is not one. */
export function parsePlace(text: string): FilePlace | undefined {
  const [inode, headBytes, headCrc, offset, changedUs = 0, ...rest] = text.split(':').map(Number)
  if (inode === undefined || headBytes === undefined || headCrc === undefined || offset === undefined) return undefined
  const place = { inode, headBytes, headCrc, offset, changedUs }
  return rest.length === 0 && Object.values(place).every(Number.isSafeInteger) ? place : undefined
}

/** What a file is known by, from its first bytes as far as there are any. */
export function identify(path: string): FilePlace {
  const stats = statSync(path)
  return { inode: stats.ino, offset: 0, changedUs: changedUsOf(stats), ...headFacts(headOf(path, HEAD_BYTES)) }
}

/** The same file, by as many of its first bytes as there are by now; undefined where they are not those that it began with. */
export async function identifiedAnew(handle: FileHandle, place: FilePlace): Promise<FilePlace | undefined> {
  const changedUs = changedUsOf(await handle.stat())
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  if (bytesRead < place.headBytes || crc32c(buffer.subarray(0, place.headBytes)) !== place.headCrc) return undefined
  return { ...place, changedUs, ...headFacts(buffer.subarray(0, bytesRead)) }
}

function changedUsOf({ mtimeMs }: Pick<Stats, 'mtimeMs'>): number {
  return Math.floor(mtimeMs * 1_000)
}

function headFacts(head: Buffer): Pick<FilePlace, 'headBytes' | 'headCrc'> {
  return { headBytes: head.length, headCrc: crc32c(head) }
}

/** Whether the file at `path` is the one that was read up to `place`. */
export function isSameFile(path: string, place: FilePlace): boolean {
  const { ino, size } = statSync(path)
  return ino === place.inode && size >= place.offset && beginsAs(path, place)
}

/** Whether `path` is a copy, made after it was read up to `place`: `copytruncate` makes one, and then empties the file itself. */
function isCopy(path: string, place: FilePlace): boolean {
  const stats = statSync(path)
  const isLater = place.changedUs > 0 && changedUsOf(stats) >= place.changedUs
  return isLater && place.headBytes > 0 && stats.size >= place.offset && beginsAs(path, place)
}

function beginsAs(path: string, place: FilePlace): boolean {
  const head = headOf(path, place.headBytes)
  return head.length === place.headBytes && crc32c(head) === place.headCrc
}

/**
 * Where a file was put away to, and what was put away after it, oldest first: all that is still to be read before the file itself, the first of them from
 * the place's offset on. Where it is not found, all of what was written to later than it.
 */
export function putAway(path: string, place: FilePlace): { readonly files: readonly string[]; readonly isFound: boolean } {
  const siblings = siblingsOf(path)
  const renamed = siblings.findIndex(each => isSameFile(each, place))
  const at = renamed >= 0 ? renamed : siblings.findIndex(each => isCopy(each, place))
  if (at >= 0) return { files: siblings.slice(at), isFound: true }
  const isLater = (each: string) => place.changedUs > 0 && changedUsOf(statSync(each)) > place.changedUs
  return { files: siblings.filter(isLater), isFound: false }
}

/** The copy that was made of a file before it was cut short; undefined where there is none. */
export function copyOf(path: string, place: FilePlace): string | undefined {
  return siblingsOf(path).find(each => isCopy(each, place))
}

/** What may have been put away of a file: what lies beside it and begins with its name, by when it was written to last. */
function siblingsOf(path: string): string[] {
  const folder = dirname(path)
  const name = basename(path)
  return readdirSync(folder)
    .filter(each => each !== name && each.startsWith(name) && !COMPRESSED.test(each))
    .map(each => join(folder, each))
    .filter(each => statSync(each, { throwIfNoEntry: false })?.isFile())
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
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
