import { basename, isAbsolute } from 'node:path'
import { descriptorOf, readCalls, type SystemCall, stringsOf } from './system-calls.ts'

/** What a process did to its files, and what it told others meanwhile. `began`, `ended`: places in the trace. */
export type DiskEvent = { readonly began: number; readonly ended: number } & (
  | { readonly kind: 'write'; readonly path: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  /** A file's content, or the names in a folder. */
  | { readonly kind: 'sync'; readonly path: string }
  | { readonly kind: 'create'; readonly path: string; readonly isFolder: boolean }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  /** Bytes that left through a socket. */
  | { readonly kind: 'told'; readonly socket: string; readonly bytes: Buffer }
)

/** SQLite's shared index of its log is memory: it is made anew at the opening. Sockets are no files. */
const NOT_KEPT = /(-shm|\.sock)$/
const APPEND = /O_APPEND/
const FILES_MADE = /O_CREAT/
const EMPTIED = /O_TRUNC/

/**
 * What traces say of the files below `root`, which is empty at first; one process after another. Throws where a call changes them in a way that is not
 * understood: nothing would be proven.
 */
export class DiskEvents {
  readonly #root: string
  readonly #sizes = new Map<string, number>()
  readonly #folders = new Set<string>()
  readonly #positions = new Map<number, number>()
  #events: DiskEvent[] = []

  constructor(root: string) {
    this.#root = root
  }

  /** Places in the trace are counted on from `after`. */
  read(trace: string, after: number): DiskEvent[] {
    this.#events = []
    for (const call of readCalls(trace)) this.#take({ ...call, began: call.began + after, ended: call.ended + after })
    return this.#events.toSorted((a, b) => placeOf(a) - placeOf(b))
  }

  #take(call: SystemCall): void {
    const { name, args, result, began, ended } = call
    const target = descriptorOf(args)
    const at = { began, ended }
    switch (name) {
      case 'openat':
      case 'open':
      case 'creat':
        this.#opened(call)
        return
      case 'lseek':
        if (target) this.#positions.set(target.fd, result)
        return
      case 'write':
      case 'writev':
      case 'sendmsg':
      case 'sendto':
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2': {
        if (!target) return
        const bytes = Buffer.concat(stringsOf(args)).subarray(0, result)
        if (/^TCP/.test(target.is)) this.#events.push({ ...at, kind: 'told', socket: target.is, bytes })
        if (!this.#isKept(target.is)) return
        const offset = name.startsWith('p') ? lastNumber(args) : this.#advance(target.fd, result)
        this.#events.push({ ...at, kind: 'write', path: target.is, offset, bytes })
        this.#sizes.set(target.is, Math.max(this.#sizes.get(target.is) ?? 0, offset + result))
        return
      }
      case 'ftruncate':
        if (!target || !this.#isKept(target.is)) return
        this.#events.push({ ...at, kind: 'truncate', path: target.is, size: lastNumber(args) })
        this.#sizes.set(target.is, lastNumber(args))
        return
      case 'fsync':
      case 'fdatasync':
        if (target && this.#isKept(target.is)) this.#events.push({ ...at, kind: 'sync', path: target.is })
        return
      case 'mkdir':
      case 'mkdirat': {
        const path = this.#onlyPath(call)
        if (path === undefined || !this.#isKept(path)) return
        this.#folders.add(path)
        this.#events.push({ ...at, kind: 'create', path, isFolder: true })
        return
      }
      case 'rename':
      case 'renameat':
      case 'renameat2': {
        const [from, to] = stringsOf(args).map(String)
        if (from === undefined || to === undefined || !this.#isKept(from)) return
        this.#events.push({ ...at, kind: 'rename', from, to })
        this.#sizes.set(to, this.#sizes.get(from) ?? 0)
        this.#sizes.delete(from)
        return
      }
      case 'unlink':
      case 'unlinkat': {
        const path = this.#onlyPath(call)
        if (path === undefined || !this.#isKept(path)) return
        this.#events.push({ ...at, kind: 'remove', path })
        this.#sizes.delete(path)
        return
      }
      case 'mmap':
        if (!/PROT_WRITE/.test(args) || !/MAP_SHARED/.test(args)) return
    }
    if (args.includes(Buffer.from(this.#root).toString('hex').replaceAll(/../g, '\\x$&')) && !this.#isIndex(args))
      throw new Error(`a call that is not understood: ${name}(${args.slice(0, 200)})`)
  }

  #opened({ args, result, began, ended }: SystemCall): void {
    const path = stringsOf(args).map(String).at(0)
    if (path === undefined) return
    this.#positions.set(result, APPEND.test(args) ? (this.#sizes.get(path) ?? 0) : 0)
    if (!this.#isKept(path)) return
    const at = { began, ended }
    if (FILES_MADE.test(args) && !this.#sizes.has(path)) {
      this.#sizes.set(path, 0)
      this.#events.push({ ...at, kind: 'create', path, isFolder: false })
    } else if (EMPTIED.test(args)) {
      this.#sizes.set(path, 0)
      this.#events.push({ ...at, kind: 'truncate', path, size: 0 })
    }
  }

  #advance(fd: number, bytes: number): number {
    const from = this.#positions.get(fd) ?? 0
    this.#positions.set(fd, from + bytes)
    return from
  }

  #onlyPath({ args }: SystemCall): string | undefined {
    const path = stringsOf(args).map(String).at(0)
    if (path !== undefined && !isAbsolute(path)) throw new Error(`a path that is not whole: ${path}`)
    return path
  }

  #isKept(path: string): boolean {
    return (path === this.#root || path.startsWith(`${this.#root}/`)) && !NOT_KEPT.test(basename(path))
  }

  #isIndex(args: string): boolean {
    return args.includes(Buffer.from('-shm').toString('hex').replaceAll(/../g, '\\x$&'))
  }
}

/** A write may be on the disk from when it began; all else counts from when it ended. */
function placeOf({ kind, began, ended }: DiskEvent): number {
  return kind === 'write' ? began : ended
}

function lastNumber(args: string): number {
  return Number(args.slice(args.lastIndexOf(',') + 1).trim())
}
