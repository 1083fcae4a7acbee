import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { HeadraceError } from '../../runtime/errors.ts'

/** Files that are open at once; of more sources the one that was not written to for the longest is closed, and opened again when it is needed. */
const OPEN_FILES_MAX = 256
const UNFINISHED = '.headrace-partial'

/** Where records go when they are written for the command. */
export interface Sink {
  /** Whether what of one source follows another has to be told from it: each part is then handed over by itself. */
  readonly keepsSourcesApart: boolean
  /** Resolves when it takes more. `source` is that of all the bytes. `isWritten` is told of each chunk that is not read any more. */
  write(source: string, chunks: readonly Buffer[], isWritten?: (chunk: Buffer) => void): Promise<void>
  end(): Promise<void>
}

/** A command's standard input. Memory stays at a few chunks however slow the command reads. */
export class StreamSink implements Sink {
  readonly keepsSourcesApart = false
  readonly #to: Writable
  #failed: Error | undefined

  constructor(to: Writable) {
    this.#to = to
    to.on('error', error => {
      this.#failed = error
    })
  }

  async write(_source: string, chunks: readonly Buffer[], isWritten: (chunk: Buffer) => void = () => {}): Promise<void> {
    for (const chunk of chunks) {
      this.#check()
      const takesMore = this.#to.write(chunk, error => {
        if (!error) isWritten(chunk)
      })
      if (!takesMore) await this.#drained()
    }
    this.#check()
  }

  async end(): Promise<void> {
    this.#check()
    await new Promise<void>(resolve => {
      this.#to.once('close', resolve)
      this.#to.end(() => resolve())
    })
    if (!this.#to.writableFinished) throw this.#gone()
  }

  async #drained(): Promise<void> {
    if (!this.#to.writableNeedDrain || this.#failed) return
    await new Promise<void>(resolve => {
      const go = () => {
        this.#to.off('drain', go)
        this.#to.off('close', go)
        resolve()
      }
      this.#to.on('drain', go)
      this.#to.on('close', go)
    })
  }

  /** A stream that went with its process says so by no error: what is written to it then is taken and forgotten. */
  #check(): void {
    if (this.#failed || this.#to.destroyed) throw this.#gone()
  }

  #gone(): HeadraceError {
    const cause = this.#failed ?? new Error('its standard input is closed')
    return new HeadraceError('command_failed', 'the command stopped reading before it had all records', { cause })
  }
}

/** Files, one for each source or one for all. They get their names when all of them are whole. */
export class FileSink implements Sink {
  readonly keepsSourcesApart = true
  readonly #paths: ReadonlyMap<string, string>
  readonly #heads: ReadonlyMap<string, string>
  readonly #open = new Map<string, FileHandle>()

  /** `paths`: the file of each source; `heads`: what each of these files begins with. */
  constructor(paths: ReadonlyMap<string, string>, heads: ReadonlyMap<string, string>) {
    this.#paths = paths
    for (const path of new Set(paths.values())) {
      mkdirSync(dirname(path), { recursive: true })
      rmSync(path + UNFINISHED, { force: true })
      closeSync(openSync(path + UNFINISHED, 'wx', 0o640))
    }
    this.#heads = heads
  }

  async write(source: string, chunks: readonly Buffer[], isWritten: (chunk: Buffer) => void = () => {}): Promise<void> {
    const path = this.#paths.get(source)
    if (path === undefined) throw new HeadraceError('internal', `${source} has no file`)
    const file = await this.#file(path)
    for (const chunk of chunks) {
      await file.writeFile(chunk)
      isWritten(chunk)
    }
  }

  async begin(): Promise<void> {
    for (const [path, head] of this.#heads) if (head) await (await this.#file(path)).writeFile(head)
  }

  async end(): Promise<void> {
    await this.close()
    for (const path of new Set(this.#paths.values())) renameSync(path + UNFINISHED, path)
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file.close()
    this.#open.clear()
  }

  async #file(path: string): Promise<FileHandle> {
    const known = this.#open.get(path)
    if (known) {
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    if (this.#open.size >= OPEN_FILES_MAX) {
      const [oldest, handle] = this.#open.entries().next().value ?? []
      if (oldest !== undefined) this.#open.delete(oldest)
      await handle?.close()
    }
    const opened = await open(path + UNFINISHED, 'a')
    this.#open.set(path, opened)
    return opened
  }
}
