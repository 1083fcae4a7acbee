import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'
import { ByteRing } from './byte-ring.ts'

/** What one run's log may become, over all its attempts: so much of its beginning, and so much of its end, where the error is. */
const BEGINNING_BYTES_MAX = 15 * 2 ** 20
const END_BYTES_MAX = 2 ** 20
/** Stands between the two. */
const gapNote = (bytes: number) => `\n--- ${bytes} bytes are left out here\n`
const GAP_NOTE = /^\n--- (\d+) bytes are left out here\n/
/** The last bytes of a command's error output that are kept for its error message. */
const LAST_WORDS_BYTES = 4_096

/**
 * What a run's command said, in a file; of more than its bound the middle is left out, and what the disk does not take is counted and dropped: the command is
 * not held up. The end of what is too long comes into the file when the log is closed.
 */
export class RunLog {
  readonly path: string
  readonly #file: number
  #bytes: number
  #end: ByteRing | undefined
  /** Left out between beginning and end by those who wrote here before. */
  #leftOutBefore = 0
  #refused = 0
  #refusal: string | undefined
  #lastWords = ''

  constructor(path: string) {
    this.path = path
    mkdirSync(dirname(path), { recursive: true })
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640)
    const { size } = fstatSync(this.#file)
    this.#bytes = Math.min(size, BEGINNING_BYTES_MAX)
    if (size > BEGINNING_BYTES_MAX) this.#takeUp(size)
  }

  /** A line of Headrace's own. */
  note(text: string): void {
    this.#write(Buffer.from(`--- ${text}\n`))
  }

  output(chunk: Buffer): void {
    this.#write(chunk)
  }

  errorOutput(chunk: Buffer): void {
    this.#lastWords = (this.#lastWords + chunk.toString('utf8')).slice(-LAST_WORDS_BYTES)
    this.#write(chunk)
  }

  /** The last line of the command's error output since this was last asked. */
  takeLastWords(): string | undefined {
    const last = this.#lastWords.trim().split('\n').at(-1)
    this.#lastWords = ''
    return last || undefined
  }

  close(): void {
    try {
      if (this.#end) this.#writeEnd(this.#end)
      if (this.#refused > 0) this.#append(Buffer.from(`\n--- ${this.#refused} bytes were not kept: ${this.#refusal}\n`))
    } catch {
      // The disk takes nothing still; the run itself says how it went.
    } finally {
      closeSync(this.#file)
    }
  }

  #write(chunk: Buffer): void {
    const beginning = chunk.subarray(0, BEGINNING_BYTES_MAX - this.#bytes)
    if (beginning.length > 0) {
      const before = this.#bytes
      try {
        this.#append(beginning)
      } catch (error) {
        this.#refusal ??= messageOf(error)
        this.#refused += beginning.length - (this.#bytes - before)
      }
    }
    if (beginning.length === chunk.length) return
    this.#end ??= new ByteRing(END_BYTES_MAX)
    this.#end.push(chunk.subarray(beginning.length))
  }

  #append(bytes: Buffer): void {
    for (let written = 0; written < bytes.length; ) {
      const more = writeSync(this.#file, bytes, written, bytes.length - written, this.#bytes)
      written += more
      this.#bytes += more
    }
  }

  #writeEnd(end: ByteRing): void {
    const leftOut = this.#leftOutBefore + end.lost
    this.#bytes = BEGINNING_BYTES_MAX
    if (leftOut > 0) this.#append(Buffer.from(gapNote(leftOut)))
    this.#append(end.bytes())
    ftruncateSync(this.#file, this.#bytes)
  }

  /** The end that an earlier attempt has left is the beginning of this one's. */
  #takeUp(size: number): void {
    const left = Buffer.alloc(Math.min(size - BEGINNING_BYTES_MAX, 2 * END_BYTES_MAX))
    const read = readSync(this.#file, left, 0, left.length, BEGINNING_BYTES_MAX)
    const [note = '', leftOut = '0'] = GAP_NOTE.exec(left.toString('latin1', 0, 100)) ?? []
    this.#leftOutBefore = Number(leftOut)
    this.#end = new ByteRing(END_BYTES_MAX)
    this.#end.push(left.subarray(note.length, read))
  }
}
