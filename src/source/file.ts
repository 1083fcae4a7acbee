import { existsSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { z } from 'zod'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration, size } from '../runtime/units.ts'
import { copyOf, type FilePlace, identifiedAnew, identify, isSameFile, parsePlace, placeText, putAway } from './file-place.ts'
import { escapedBytes } from './framing/options.ts'
import { LineCutter } from './line-cutter.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, pathsWithin, type SourceContext } from './source.ts'

const READ_BYTES = 64 * 1024

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
 *   WAITING ──it exists──► READING ──another file has its name, and this one grows no more──► the next one
 *                            └──shorter than what was read──► the rest of the copy that was made of it, if any ──► its beginning
 *
 * How far it was read is stored in one transaction with the records, so that a restart neither loses nor repeats one; a file that was renamed meanwhile
 * is found beside it by its inode and its first bytes, and read to its end first.
 */
class FileSource extends LoopingSource {
  readonly #options: FileOptions
  readonly #context: SourceContext
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)

  constructor(options: FileOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  protected override async run(): Promise<void> {
    const { path, every } = this.#options
    const { clock } = this.#context
    const { signal } = this.stopping
    const kept = this.#context.bookmark()
    let place = kept === undefined ? undefined : parsePlace(kept)
    let isFirst = true
    while (!signal.aborted) {
      try {
        if (place) await this.#catchUp(place)
        if (existsSync(path)) {
          const begin = this.#beginning(place, isFirst)
          this.#context.state('reading')
          place = undefined
          isFirst = false
          await this.#follow(path, begin, () => this.#isReplaced(path, begin.inode))
          continue
        }
        this.#context.state('waiting', `${path} is not there`)
        isFirst = false
      } catch (error) {
        const said = messageOf(error)
        // Of a directory, for one, the system does not say which it means.
        if (!signal.aborted) this.#context.state('waiting', said.includes(path) ? said : `${path}: ${said}`)
      }
      this.#context.turn(every)
      await pause(clock, every, signal).catch(() => {})
    }
  }

  /** Reads what was put away while nobody looked. */
  async #catchUp(place: FilePlace): Promise<void> {
    const { path } = this.#options
    if (existsSync(path) && isSameFile(path, place)) return
    const { files, isFound } = putAway(path, place)
    if (!isFound) this.#context.trouble('the file was put away before it was read to its end')
    for (const [index, file] of files.entries()) {
      if (this.stopping.signal.aborted) return
      const offset = isFound && index === 0 ? place.offset : 0
      await this.#follow(file, { ...identify(file), offset }, () => true)
    }
  }

  #beginning(place: FilePlace | undefined, isFirst: boolean): FilePlace {
    const { path, from } = this.#options
    if (place && isSameFile(path, place)) return place
    const known = identify(path)
    // Only what was there before anybody looked may be passed over.
    return !place && isFirst && from === 'end' ? { ...known, offset: statSync(path).size } : known
  }

  #isReplaced(path: string, inode: number): boolean {
    return existsSync(path) && statSync(path).ino !== inode
  }

  /** Reads from a place on until the file has ended for good, or a stop. */
  async #follow(path: string, begin: FilePlace, isOver: () => boolean): Promise<void> {
    const { signal } = this.stopping
    const handle = await open(path, 'r')
    try {
      let known = begin
      let { offset } = begin
      /** Behind the last whole record. */
      let given = offset
      const newCutter = () =>
        this.#cutter((line, end) => {
          given = end
          this.#context.message(line, this.#context.clock.wallMs(), undefined, placeText({ ...known, offset: end }))
        })
      let cutter = newCutter()
      let wasOver = false
      while (!signal.aborted) {
        await this.gate.passed()
        if (signal.aborted) return
        // A file system that is away, such as one of another machine, lets nobody come back.
        this.#context.turn(0)
        const { bytesRead } = await handle.read(this.#buffer, 0, READ_BYTES, offset)
        // Whoever cuts a file short may have written more than there was by the time it is looked at: then its beginning is another one.
        const same = bytesRead > 0 ? await identifiedAnew(handle, known) : known
        if (bytesRead > 0 && same) {
          known = same
          offset += bytesRead
          cutter.push(this.#buffer.subarray(0, bytesRead), offset)
          wasOver = false
        } else if (same && wasOver) {
          cutter.end(offset)
          return
        } else if (!same || (await this.#isShorter(handle, offset))) {
          this.#context.trouble('the file was cut short')
          await this.#readCopy(path, { ...known, offset: given })
          known = identify(path)
          offset = 0
          given = 0
          cutter = newCutter()
        } else {
          // Whoever writes may have it open for a while after it was renamed: it is looked at once more before it is left.
          wasOver = isOver()
          this.#context.turn(this.#options.every)
          await pause(this.#context.clock, this.#options.every, signal).catch(() => {})
        }
      }
    } finally {
      await handle.close()
    }
  }

  /** What was written between the last look and the copy that was made before the file was emptied. */
  async #readCopy(path: string, place: FilePlace): Promise<void> {
    const copy = copyOf(path, place)
    if (copy !== undefined) await this.#follow(copy, { ...identify(copy), offset: place.offset }, () => true)
  }

  async #isShorter(handle: FileHandle, offset: number): Promise<boolean> {
    return (await handle.stat()).size < offset
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

/** A file that grows, such as a log. */
export const file = defineSource({
  kind: 'file',
  summary: 'Follows a file that is written to, through rotation and truncation; goes on after a restart where it was.',
  notes:
    'How far a file was read is stored in one transaction with its records. Files that were put away while nothing ran, and the copies that `copytruncate` makes, are found beside it, unless they were compressed.',
  options: fileOptions,
  gives: 'messages',
  whenFull: 'block',
  rereads: true,
  within: (options, folder) => pathsWithin(options, folder, 'path'),
  open: (options, context) => new FileSource(options, context),
})
