import { appendFileSync, closeSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'

/** What one run's log may become, over all its attempts. */
const LOG_BYTES_MAX = 16 * 2 ** 20
/** The last bytes of a command's error output that are kept for its error message. */
const LAST_WORDS_BYTES = 4_096

/** What a run's command said, in a file; of more than its bound, or than the disk takes, the rest is counted and dropped, and the command is not held up. */
export class RunLog {
  readonly path: string
  readonly #file: number
  #bytes: number
  #dropped = 0
  #refusal: string | undefined
  #lastWords = ''

  constructor(path: string) {
    this.path = path
    mkdirSync(dirname(path), { recursive: true })
    this.#file = openSync(path, 'a', 0o640)
    this.#bytes = statSync(path).size
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
    closeSync(this.#file)
    if (this.#dropped === 0) return
    try {
      appendFileSync(this.path, `\n--- ${this.#dropped} bytes more were not kept${this.#refusal ? `: ${this.#refusal}` : ''}\n`)
    } catch {
      // The disk takes nothing still; the run itself says how it went.
    }
  }

  #write(chunk: Buffer): void {
    const kept = chunk.subarray(0, Math.max(0, LOG_BYTES_MAX - this.#bytes))
    this.#dropped += chunk.length - kept.length
    if (kept.length === 0) return
    let written = 0
    try {
      while (written < kept.length) written += writeSync(this.#file, kept, written)
    } catch (error) {
      this.#refusal ??= messageOf(error)
      this.#dropped += kept.length - written
    }
    this.#bytes += written
  }
}
