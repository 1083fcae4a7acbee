import { type FileHandle, stat } from 'node:fs/promises'
import { z } from 'zod'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { contentOf, isCompressed, isDamage } from './file-compressed.ts'
import {
  type FilePlace,
  identifiedAnew,
  identify,
  isSameFile,
  type OpenFile,
  openFile,
  parsePlace,
  placeText,
  withFile,
} from './file-place.ts'
import { nextPutAway } from './file-rotation.ts'
import { escapedBytes } from './framing/options.ts'
import { LineCutter } from './line-cutter.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

const READ_BYTES = 64 * 1024
/** Until then whoever writes to a file that was renamed should have opened the new one. */
const REOPENED_WITHIN_MS = 5_000

export const fileOptions = z.strictObject({
  path: z.string().min(1).describe('The file. It need not exist yet.'),
  from: z.enum(['start', 'end']).default('start').describe('Where reading begins the first time; later it goes on where it was.'),
  delimiter: z.string().min(1).max(16).default('\n').describe('What ends a record; \\x03 writes a byte.'),
  max_bytes: size({ min: '1B', max: '900KB' })
    .default(64 * 1024)
    .describe('A longer record is left out and counted.'),
  every: duration({ min: '10ms', max: '1h' }).default(250).describe('How often it is looked whether there is more.'),
})
export type FileOptions = z.output<typeof fileOptions>

/**
 * Follows a file that is written to.
 *
 *   WAITING ──it exists──► READING ──another file has its name and is written to──► what was put away in between ──► that one
 *                            └──shorter than what was read──► the rest of the copy that was made of it, if any ──► its beginning
 *
 * How far it was read is stored in one transaction with the records, so that a restart neither loses nor repeats one; a file that was renamed meanwhile
 * is found beside it by its inode and its first bytes, and read to its end first, as is what was put away after it.
 */
class FileSource extends LoopingSource {
  readonly #options: FileOptions
  readonly #context: SourceContext
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  /** Behind the newest record; behind all of a file, once it has ended. */
  #place: FilePlace | undefined
  /** Whether the file of the place was read to its end, or was said to be gone before it was. */
  #isDone = false
  /** Of the compressed file that was read to its end last. */
  #endedInode: number | undefined

  constructor(options: FileOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  protected override async run(): Promise<void> {
    const { path } = this.#options
    const { signal } = this.stopping
    const kept = this.#context.bookmark()
    this.#place = kept === undefined ? undefined : parsePlace(kept)
    let isFirst = true
    while (!signal.aborted) {
      try {
        const isThere = await this.#readWhatHasTheName(isFirst)
        isFirst = false
        if (isThere) continue
        this.#context.state('waiting', `${path} is not there`)
      } catch (error) {
        const said = messageOf(error)
        // Of a directory, for one, the system does not say which it means.
        if (!signal.aborted) this.#context.state('waiting', said.includes(path) ? said : `${path}: ${said}`)
      }
      await this.#pause()
    }
  }

  /** Reads what was put away, and then the file itself until another one has its name; false where there is none. */
  async #readWhatHasTheName(isFirst: boolean): Promise<boolean> {
    const { path, from } = this.#options
    // Opened before it is looked what was put away, so that all that is put away later comes after it.
    const handle = await openFile(path).catch(unlessMissing)
    try {
      const place = this.#place
      let begin = handle && place && (await isSameFile(handle, place)) ? place : undefined
      if (!begin) {
        const current = handle && (await identify(handle))
        await this.#readPutAway(current)
        if (!current) return false
        // Only what was there before anybody looked may be passed over.
        begin =
          !place && isFirst && from === 'end' ? { ...current.place, offset: (await current.handle.stat()).size } : current.place
      }
      if (!handle || this.stopping.signal.aborted) return true
      this.#context.state('reading')
      await this.#follow(handle, begin, this.#whenReplaced(begin.inode), 2)
      return true
    } finally {
      await handle?.close()
    }
  }

  /** Reads what was put away after the place, up to what has the name now. */
  async #readPutAway(current: OpenFile | undefined): Promise<void> {
    const isOver = this.#whenWrittenTo(current)
    while (this.#place && !this.stopping.signal.aborted) {
      const { next, isKnown } = await nextPutAway(this.#options.path, this.#place, current, this.#endedInode)
      if (!isKnown && !this.#isDone) this.#context.trouble('the file was put away before it was read to its end')
      this.#isDone = true
      if (!next) return
      await withFile(next.path, async handle => {
        const isPacked = isCompressed(next.path)
        const { place } = await identify(handle, isPacked)
        if (place.inode !== next.inode) throw new Error(`${next.path} was renamed while it was looked for`)
        const begin = { ...place, offset: next.offset }
        this.#context.state('reading')
        await (isPacked ? this.#readCompressed(handle, begin) : this.#follow(handle, begin, isOver, 1))
      })
    }
  }

  /** What was compressed has ended: it is read in one go. */
  async #readCompressed(handle: FileHandle, place: FilePlace): Promise<void> {
    const { offset } = place
    const cutter = this.#cutter((line, end) => this.#give(line, { ...place, offset: end }))
    let end = 0
    try {
      for await (const chunk of contentOf(handle)) {
        await this.gate.passed()
        if (this.stopping.signal.aborted) return
        this.#context.turn(0)
        end += chunk.length
        if (end > offset) cutter.push(chunk.subarray(Math.max(0, chunk.length - (end - offset))), end)
      }
      cutter.end(end)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#context.trouble('a file that was put away could not be decompressed to its end')
    }
    this.#place = { ...place, offset: Math.max(offset, end) }
    this.#isDone = true
    this.#endedInode = place.inode
  }

  /** Reads from a place on until the file is over at its end, `looks` times one after the other, or a stop. */
  async #follow(handle: FileHandle, begin: FilePlace, isOver: () => Promise<boolean>, looks: number): Promise<void> {
    const { signal } = this.stopping
    let known = begin
    let { offset } = begin
    const newCutter = () => this.#cutter((line, end) => this.#give(line, { ...known, offset: end }))
    let cutter = newCutter()
    let timesOver = 0
    /** Until its first bytes are seen, more may have been put away behind the place than at the last look: this file, as it was, too. */
    let isBegun = this.#begin(begin)
    while (!signal.aborted) {
      await this.gate.passed()
      if (signal.aborted) return
      // A file system that is away, such as one of another machine, lets nobody come back.
      this.#context.turn(0)
      const { bytesRead } = await handle.read(this.#buffer, 0, READ_BYTES, offset)
      // Whoever cuts a file short may have written more than there was by the time it is looked at: then its beginning is another one.
      const same = bytesRead > 0 ? await identifiedAnew(handle, known) : known
      const isCut = !same || (bytesRead === 0 && (await handle.stat()).size < offset)
      if (bytesRead > 0 && same && isBegun) {
        known = same
        offset += bytesRead
        cutter.push(this.#buffer.subarray(0, bytesRead), offset)
        timesOver = 0
      } else if (isCut || bytesRead > 0) {
        // What there was may be nowhere any more, and is told here.
        if (isCut) this.#context.trouble('the file was cut short')
        this.#isDone = true
        const anew = await identify(handle)
        await this.#readPutAway(anew)
        if (signal.aborted) return
        known = anew.place
        isBegun = this.#begin(known)
        offset = 0
        cutter = newCutter()
      } else {
        timesOver = (await isOver()) ? timesOver + 1 : 0
        if (timesOver >= looks) {
          cutter.end(offset)
          if (isBegun) this.#place = { ...known, offset }
          this.#isDone = true
          return
        }
        await this.#pause()
      }
    }
  }

  #give(line: Buffer, place: FilePlace): void {
    this.#place = place
    this.#context.message(line, this.#context.clock.wallMs(), undefined, placeText(place))
  }

  /** Takes the beginning for the place, unless it can be anything's; whether it was taken. */
  #begin(begin: FilePlace): boolean {
    const isBegun = begin.headBytes > 0 || !this.#place
    if (isBegun) {
      this.#place = begin
      this.#isDone = false
    }
    return isBegun
  }

  /** Whether another file has the name and is written to. Until it is, whoever writes may not have opened it yet, for so long as is bearable. */
  #whenReplaced(inode: number): () => Promise<boolean> {
    let sinceMs: number | undefined
    return async () => {
      const facts = await stat(this.#options.path).catch(unlessMissing)
      if (!facts || facts.ino === inode) return false
      const nowMs = this.#context.clock.monotonicMs()
      sinceMs ??= nowMs
      return facts.size > 0 || nowMs - sinceMs >= REOPENED_WITHIN_MS
    }
  }

  /** The same of a file that was put away already. */
  #whenWrittenTo(current: OpenFile | undefined): () => Promise<boolean> {
    const { clock } = this.#context
    const dueMs = clock.monotonicMs() + REOPENED_WITHIN_MS
    return async () => !current || clock.monotonicMs() >= dueMs || (await current.handle.stat()).size > 0
  }

  async #pause(): Promise<void> {
    this.#context.turn(this.#options.every)
    await pause(this.#context.clock, this.#options.every, this.stopping.signal).catch(() => {})
  }

  #cutter(onLine: (line: Buffer, end: number) => void): LineCutter {
    return new LineCutter({
      delimiter: escapedBytes(this.#options.delimiter),
      maxBytes: this.#options.max_bytes,
      onLine,
      onTooLong: () => this.#context.trouble('a record was too long'),
    })
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** A file that grows, such as a log. */
export const file = defineSource({
  kind: 'file',
  summary: 'Follows a file that is written to, through rotation and truncation; goes on after a restart where it was.',
  notes:
    'How far a file was read is stored in one transaction with its records. What was put away between two looks, or while nothing ran, is found beside it and read first, and so are the copies that `copytruncate` makes: by the name with a number, a date or `old`, `bak`, `prev`, `orig` put to it (`app.log.1`, `app.log-20260131`, `app-2026-01-31.log`), also where it was compressed by gzip.',
  options: fileOptions,
  gives: 'messages',
  whenFull: 'block',
  rereads: true,
  within: (options, folder) => pathsWithin(options, folder, 'path'),
  files: ({ path }) => [{ path, is: 'file' }],
  open: (options, context) => new FileSource(options, context),
})
