import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'

/** What one run's log may become, over all its attempts: so much of its beginning, and so much of its end, where the error is. */
const BEGINNING_BYTES_MAX = 15 * 2 ** 20
const END_BYTES_MAX = 2 ** 20
/** While it is written its end may become twice as long, so that not every line has it written anew. */
const WRITTEN_BYTES_MAX = BEGINNING_BYTES_MAX + 2 * END_BYTES_MAX
/** Stands between the two. */
const gapNote = (bytes: number) => `\n--- ${bytes} bytes are left out here\n`
const GAP_NOTE = /^\n--- (\d+) bytes are left out here\n/
/** The last bytes of a command's error output that are kept for its error message. */
const LAST_WORDS_BYTES = 4_096

/**
 * What a run's command said, in a file; of more than its bound the middle is left out, and what the disk does not take is counted and dropped: the command is
 * not held up. All of it that is kept is in the file at once: a process that is killed closes nothing.
 */
export class RunLog {
  readonly path: string
  readonly #file: number
  #bytes: number
  /** Left out between beginning and end, also by those who wrote here before. */
  #leftOut = 0
  /** Length of the note that says so. */
  #noteBytes = 0
  #refused = 0
  #refusal: string | undefined
  #lastWords = ''

  constructor(path: string) {
    this.path = path
    mkdirSync(dirname(path), { recursive: true })
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640)
    const { size } = fstatSync(this.#file)
    this.#bytes = size
    if (size > BEGINNING_BYTES_MAX) this.#findNote()
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
      this.#leaveOut()
      if (this.#refused > 0) this.#append(Buffer.from(`\n--- ${this.#refused} bytes were not kept: ${this.#refusal}\n`))
    } catch {
      // The disk takes nothing still; the run itself says how it went.
    } finally {
      closeSync(this.#file)
    }
  }

  #write(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      const before = this.#bytes
      try {
        if (before >= WRITTEN_BYTES_MAX) this.#leaveOut()
        else this.#append(rest.subarray(0, WRITTEN_BYTES_MAX - before))
      } catch (error) {
        this.#refusal ??= messageOf(error)
        this.#refused += rest.length - Math.max(0, this.#bytes - before)
        return
      }
      rest = rest.subarray(Math.max(0, this.#bytes - before))
    }
  }

  #append(bytes: Buffer): void {
    for (let written = 0; written < bytes.length; ) {
      const more = writeSync(this.#file, bytes, written, bytes.length - written, this.#bytes)
      written += more
      this.#bytes += more
    }
  }

  /** Of what is beyond the beginning, all but the end goes. */
  #leaveOut(): void {
    const tooMuch = this.#bytes - BEGINNING_BYTES_MAX - this.#noteBytes - END_BYTES_MAX
    if (tooMuch <= 0) return
    const end = Buffer.alloc(END_BYTES_MAX)
    readSync(this.#file, end, 0, end.length, this.#bytes - end.length)
    this.#leftOut += tooMuch
    const note = Buffer.from(gapNote(this.#leftOut))
    this.#noteBytes = note.length
    this.#bytes = BEGINNING_BYTES_MAX
    this.#append(Buffer.concat([note, end]))
    ftruncateSync(this.#file, this.#bytes)
  }

  /** What those who wrote here before have left out. */
  #findNote(): void {
    const left = Buffer.alloc(100)
    const read = readSync(this.#file, left, 0, left.length, BEGINNING_BYTES_MAX)
    const [note = '', leftOut = '0'] = GAP_NOTE.exec(left.toString('latin1', 0, read)) ?? []
    this.#leftOut = Number(leftOut)
    this.#noteBytes = note.length
  }
}
