import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32c } from '../record/crc32c.ts'
import { headOfCompressed } from './file-compressed.ts'

/** Bytes at the beginning by which a file is known again, beside its inode: inodes are given to new files. */
export const HEAD_BYTES = 256

/** How far a file was read, in a form that outlives its name: `inode:bytes of head:CRC of head:offset:time of change`. */
export interface FilePlace {
  readonly inode: number
  readonly headBytes: number
  readonly headCrc: number
  readonly offset: number
  /** When it had been written to last by the time it was read, µs since 1970; 0 in what version 0.1 has left. */
  readonly changedUs: number
}

/** A file that is open to be read, and what it was known by when it was looked at: whoever writes may have cut it short since. */
export interface OpenFile {
  readonly handle: FileHandle
  readonly head: Buffer
  /** Its beginning. */
  readonly place: FilePlace
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

/** What an open file is known by, from its first bytes as far as there are any; `isPacked`: from those of what was compressed. */
export async function identify(handle: FileHandle, isPacked = false): Promise<OpenFile> {
  const stats = await handle.stat()
  const head = await headOf(handle, HEAD_BYTES, isPacked)
  return { handle, head, place: { inode: stats.ino, offset: 0, changedUs: changedUsOf(stats), ...headFacts(head) } }
}

/** The same file, by as many of its first bytes as there are by now; undefined where they are not those that it began with. */
export async function identifiedAnew(handle: FileHandle, place: FilePlace): Promise<FilePlace | undefined> {
  const changedUs = changedUsOf(await handle.stat())
  const head = await headOf(handle, HEAD_BYTES)
  return beginsAs(head, place) ? { ...place, changedUs, ...headFacts(head) } : undefined
}

/** Whether an open file is the one that was read up to `place`. */
export async function isSameFile(handle: FileHandle, place: FilePlace): Promise<boolean> {
  const { ino, size } = await handle.stat()
  return ino === place.inode && size >= place.offset && beginsAs(await headOf(handle, place.headBytes), place)
}

/**
 * Opens a file to be read. Throws where it is a pipe, a device or a directory: to open a pipe that nobody writes to would take for ever, and neither has a
 * beginning to be known by.
 */
export async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new Error(`${path} is no file: a device is read by "serial", what a command writes by "exec"`)
}

/** Runs with a file open to be read, and closes it. */
export async function withFile<T>(path: string, call: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await openFile(path)
  try {
    return await call(handle)
  } finally {
    await handle.close()
  }
}

export function changedUsOf({ mtimeMs }: Pick<Stats, 'mtimeMs'>): number {
  return Math.floor(mtimeMs * 1_000)
}

function headFacts(head: Buffer): Pick<FilePlace, 'headBytes' | 'headCrc'> {
  return { headBytes: head.length, headCrc: crc32c(head) }
}

/** Whether a file with these first bytes begins as that of the place did. */
export function beginsAs(head: Buffer, place: FilePlace): boolean {
  return head.length >= place.headBytes && crc32c(head.subarray(0, place.headBytes)) === place.headCrc
}

/** The first bytes of a file, as many as there are; `isPacked`: of what was compressed. */
export async function headOf(handle: FileHandle, bytes: number, isPacked = false): Promise<Buffer> {
  if (isPacked) return headOfCompressed(handle, bytes)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0)
  return buffer.subarray(0, bytesRead)
}
