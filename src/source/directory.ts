import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, join, matchesGlob } from 'node:path'
import { z } from 'zod'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { escapedBytes } from './framing/options.ts'
import { LineCutter } from './line-cutter.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

const READ_BYTES = 64 * 1024
/** Files that are read and wait for the disk before they are put away. */
const LEAVING_MAX = 100
/** Files in the directory that are remembered as done; more want to be moved or deleted. */
const FILES_MAX = 10_000

export const directoryOptions = z
  .strictObject({
    path: z.string().min(1).describe('The directory.'),
    match: z
      .string()
      .min(1)
      .default('*')
      .describe('Which files in it, such as "*.csv". Those that begin with a point are left alone.'),
    delimiter: z
      .string()
      .min(1)
      .max(16)
      .optional()
      .describe('What ends a record, such as "\\n"; unless set, a whole file is one record.'),
    max_bytes: size({ min: '1B', max: '900KB' })
      .default(64 * 1024)
      .describe('A longer record is left out and counted.'),
    every: duration({ min: '10ms', max: '1d' }).default(1_000).describe('How often it is looked for new files.'),
    settled: duration({ min: '0', max: '1h' }).default(1_000).describe('A file is read when it has not changed for so long.'),
    afterwards: z
      .enum(['keep', 'delete', 'move'])
      .default('keep')
      .describe('What becomes of a file once all of it is stored. One of which a record was left out stays where it is.'),
    move_to: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Where it is moved to, on the same file system; with the time of its last change behind its name where that is taken.',
      ),
  })
  .refine(
    options => (options.afterwards === 'move') === (options.move_to !== undefined),
    'needs `move_to` with `afterwards: move`, and only then',
  )
export type DirectoryOptions = z.output<typeof directoryOptions>

interface Found {
  readonly path: string
  /** The same file with the same content, as far as its facts tell. */
  readonly id: string
  readonly changedMs: number
}

/** `done` ids of files that are read whole and still there, `lacking` of those of which a record was left out; `id` and `offset` of the one that is being read. */
interface Progress {
  readonly done: readonly string[]
  readonly lacking?: readonly string[]
  readonly id: string
  readonly offset: number
}

/** Undefined for a bookmark that another kind of source of this name has left: a pipeline file may have made a directory of it. */
function progressIn(bookmark: string): Progress | undefined {
  return bookmark.startsWith('{') ? (JSON.parse(bookmark) as Progress) : undefined
}

/**
 * Reads each file of a directory once, oldest first. What is done is stored in one transaction with the records; a file that changes afterwards is a new
 * one. Files are named by inode, time of change and size.
 */
class DirectorySource extends LoopingSource {
  readonly #options: DirectoryOptions
  readonly #context: SourceContext
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  readonly #done = new Set<string>()
  /** Files of which a record was left out: they are all that there is of it, and not put away. */
  readonly #lacking = new Set<string>()
  /** Files that are put away once they are stored; each resolves with what kept it from being. */
  readonly #leaving: Promise<unknown>[] = []
  #partly: { readonly id: string; readonly offset: number } | undefined
  /** Why the last file that could not be opened could not. */
  #unreadable: string | undefined

  constructor(options: DirectoryOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  override async start(): Promise<void> {
    const kept = this.#context.bookmark()
    const progress = kept === undefined ? undefined : progressIn(kept)
    if (progress) {
      const { done, lacking = [], id, offset } = progress
      for (const each of done) this.#done.add(each)
      for (const each of lacking) this.#lacking.add(each)
      if (id !== '') this.#partly = { id, offset }
    }
    await super.start()
  }

  protected override async run(): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.stopping
    while (!signal.aborted) {
      try {
        const { unread, left } = this.#look()
        if (this.#unreadable === undefined) this.#context.state('reading')
        for (const each of left) await this.#putAwayLater(each)
        let unreadable: string | undefined
        for (const each of unread) {
          if (signal.aborted) break
          const handle = await open(each.path, 'r').catch(error => {
            // One that may not be read keeps no other one from being read; it is tried again.
            unreadable = messageOf(error)
          })
          if (handle) await this.#read(each, handle)
          else this.#context.trouble('a file could not be opened')
        }
        await this.#allPutAway()
        if (signal.aborted) return
        this.#unreadable = unreadable
        this.#context.state(unreadable === undefined ? 'reading' : 'waiting', unreadable)
      } catch (error) {
        if (!signal.aborted) this.#context.state('waiting', messageOf(error))
      }
      this.#context.turn(this.#options.every)
      await pause(clock, this.#options.every, signal).catch(() => {})
    }
  }

  /**
   * Files that are to be read, oldest first, and those that were read and not put away, because the process ended or it failed; forgets those that are
   * gone.
   */
  #look(): { unread: Found[]; left: Found[] } {
    const { path, match, settled, afterwards } = this.#options
    const names = readdirSync(path).filter(name => !name.startsWith('.') && matchesGlob(name, match))
    const found = names.flatMap(name => facts(join(path, name)))
    const present = new Set(found.map(({ id }) => id))
    for (const ids of [this.#done, this.#lacking]) for (const id of ids) if (!present.has(id)) ids.delete(id)
    if (this.#done.size >= FILES_MAX) throw new Error(`${path} holds ${FILES_MAX} files that are read: move or delete them`)
    const nowMs = this.#context.clock.wallMs()
    const unread = found
      .filter(each => !this.#done.has(each.id) && Math.abs(nowMs - each.changedMs) >= settled)
      .sort((a, b) => a.changedMs - b.changedMs || a.path.localeCompare(b.path))
    const isLeft = ({ id }: Found) => this.#done.has(id) && !this.#lacking.has(id)
    return { unread, left: afterwards === 'keep' ? [] : found.filter(isLeft) }
  }

  async #read(found: Found, handle: FileHandle): Promise<void> {
    const { signal } = this.stopping
    const { delimiter, max_bytes } = this.#options
    let last: { line: Buffer; end: number } | undefined
    // Made once for a file, and where a record is left out; with each record only the offset changes.
    let { before, after } = this.#bookmarksOf(found)
    const give = (line: Buffer, bookmark: string) =>
      this.#context.message(line, this.#context.clock.wallMs(), this.#nameHeader(found), bookmark)
    const givePartly = ({ line, end }: { line: Buffer; end: number }) => {
      give(line, `${before}${end}}`)
      // Where a disk that fails in the middle of a file is taken up again.
      this.#partly = { id: found.id, offset: end }
    }
    const cutter = new LineCutter({
      delimiter: delimiter === undefined ? undefined : escapedBytes(delimiter),
      maxBytes: max_bytes,
      onTooLong: () => {
        this.#context.trouble('a record was too long')
        this.#lacking.add(found.id)
        ;({ before, after } = this.#bookmarksOf(found))
      },
      // Each is held until the next has come: the last one is stored with the word that the file is done.
      onLine: (line, end) => {
        if (last) givePartly(last)
        last = { line: Buffer.from(line), end }
      },
    })
    let offset = this.#partly?.id === found.id ? this.#partly.offset : 0
    try {
      for (;;) {
        await this.gate.passed()
        if (signal.aborted) return
        this.#context.turn(0)
        const { bytesRead } = await handle.read(this.#buffer, 0, READ_BYTES, offset)
        if (bytesRead === 0) break
        offset += bytesRead
        cutter.push(this.#buffer.subarray(0, bytesRead), offset)
      }
    } finally {
      await handle.close()
    }
    cutter.end(offset)
    if (last) give(last.line, after)
    this.#done.add(found.id)
    if (!this.#lacking.has(found.id)) await this.#putAwayLater(found)
    else if (this.#options.afterwards !== 'keep') this.#context.trouble('a file of which a record was left out stays where it is')
  }

  /** Of the records of a file: what stands before the offset of each, and the whole of the last one's. */
  #bookmarksOf({ id }: Found): { readonly before: string; readonly after: string } {
    const lacking = this.#lacking.size > 0 ? `"lacking":${JSON.stringify([...this.#lacking])},` : ''
    return {
      before: `{"done":${JSON.stringify([...this.#done])},${lacking}"id":${JSON.stringify(id)},"offset":`,
      after: `{"done":${JSON.stringify([...this.#done, id])},${lacking}"id":"","offset":0}`,
    }
  }

  /** The next files are read meanwhile: each would wait for the disk by itself. What a stop leaves is put away by the next start. */
  async #putAwayLater(found: Found): Promise<void> {
    if (this.#options.afterwards === 'keep') return
    this.#leaving.push(this.#putAway(found).catch((error: unknown) => error))
    if (this.#leaving.length >= LEAVING_MAX) await this.#allPutAway()
  }

  /** Throws what kept the first of them from being put away. */
  async #allPutAway(): Promise<void> {
    // That is the buffer's to do, and may have to wait for room.
    this.#context.turn()
    const failed = (await Promise.all(this.#leaving.splice(0))).find(error => error !== undefined)
    if (failed !== undefined) throw failed
  }

  async #putAway({ path, id, changedMs }: Found): Promise<void> {
    const { afterwards, move_to: folder } = this.#options
    await this.#context.stored()
    // Another one may have come under its name, or more to it: that has not been read.
    if (facts(path)[0]?.id !== id) return
    if (afterwards === 'delete') rmSync(path, { force: true })
    else if (folder !== undefined) {
      mkdirSync(folder, { recursive: true })
      const there = join(folder, basename(path))
      // Those of yesterday may have the same name: none gives way.
      renameSync(path, existsSync(there) ? `${there}.${new Date(changedMs).toISOString()}` : there)
    }
  }

  #nameHeader({ path }: Found) {
    return [{ key: 'file', value: Buffer.from(basename(path)) }]
  }
}

function facts(path: string): Found[] {
  try {
    const { ino, mtimeMs, size: bytes, isFile } = withKind(path)
    return isFile ? [{ path, id: `${ino}.${mtimeMs}.${bytes}`, changedMs: mtimeMs }] : []
  } catch {
    // Gone since the directory was listed.
    return []
  }
}

function withKind(path: string) {
  const stats = statSync(path)
  return { ino: stats.ino, mtimeMs: stats.mtimeMs, size: stats.size, isFile: stats.isFile() }
}

/** A directory into which files are put. */
export const directory = defineSource({
  kind: 'directory',
  summary: 'Reads each file that is put into a directory, once; the file name comes along as the header `file`.',
  options: directoryOptions,
  gives: 'messages',
  whenFull: 'block',
  rereads: true,
  within: (options, folder) => pathsWithin(options, folder, 'path', 'move_to'),
  files: ({ path, afterwards }) => [{ path, is: 'directory', changes: afterwards !== 'keep' }],
  open: (options, context) => new DirectorySource(options, context),
})
