import { closeSync, constants, existsSync, fdatasyncSync, ftruncateSync, openSync, readSync, writevSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from '../runtime/durable-folder.ts'
import { assert, HeadraceError } from '../runtime/errors.ts'
import type { Extent } from './free-pages.ts'
import { PAGE_BYTES } from './schema.ts'

/** Whole pages are written: of one that is written in part the system would have to read the rest first. */
const PADDING = Buffer.alloc(PAGE_BYTES)

/** The file that large blocks lie in, made when the first one is written; it knows nothing of what is in it. */
export class BlocksFile {
  readonly #path: string
  #file: number | undefined

  constructor(path: string) {
    this.#path = path
    if (existsSync(path)) this.#file = openSync(path, constants.O_RDWR)
  }

  /** Written, and not on the disk before {@link sync} has returned. */
  write(extents: readonly Extent[], data: Buffer): void {
    const file = this.#opened()
    let from = 0
    for (const { page, pages } of extents) {
      const bytes = data.subarray(from, from + pages * PAGE_BYTES)
      from += bytes.length
      writeAll(file, bytes, pages * PAGE_BYTES - bytes.length, page * PAGE_BYTES)
    }
    assert(from === data.length, 'a place is smaller than its block')
  }

  sync(): void {
    fdatasyncSync(this.#opened())
  }

  /** So many bytes as lie there, in memory of their own. Throws `buffer_corrupt` where the file has not so many, else what the system says. */
  read(extents: readonly Extent[], bytes: number): Buffer {
    if (this.#file === undefined) throw new HeadraceError('buffer_corrupt', `${this.#path} is missing`)
    const data = Buffer.allocUnsafeSlow(bytes)
    let filled = 0
    for (const { page, pages } of extents) {
      const end = Math.min(bytes, filled + pages * PAGE_BYTES)
      for (let at = page * PAGE_BYTES; filled < end; ) {
        const read = readSync(this.#file, data, filled, end - filled, at)
        if (read === 0) throw new HeadraceError('buffer_corrupt', `${this.#path} ends at ${at}`)
        filled += read
        at += read
      }
    }
    if (filled < bytes) throw new HeadraceError('buffer_corrupt', 'a place is smaller than its block')
    return data
  }

  /** What lies behind so many pages is given back to the file system. */
  truncate(pages: number): void {
    if (this.#file !== undefined) ftruncateSync(this.#file, pages * PAGE_BYTES)
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }

  #opened(): number {
    if (this.#file === undefined) {
      this.#file = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600)
      syncFolder(dirname(this.#path))
    }
    return this.#file
  }
}

/** These bytes, and zeroes behind them; a system may write less than it was given. */
function writeAll(file: number, bytes: Buffer, padding: number, position: number): void {
  let parts = padding > 0 ? [bytes, PADDING.subarray(0, padding)] : [bytes]
  for (let at = position; parts.length > 0; ) {
    let written = writevSync(file, parts, at)
    assert(written > 0, 'a system that writes nothing says why')
    at += written
    parts = parts.flatMap(part => {
      const rest = part.subarray(Math.min(written, part.length))
      written = Math.max(0, written - part.length)
      return rest.length > 0 ? [rest] : []
    })
  }
}
