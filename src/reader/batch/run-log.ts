import { appendFileSync, closeSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** What one run's log may become, over all its attempts. */
const LOG_BYTES_MAX = 16 * 2 ** 20
/** The last bytes of a command's error output that are kept for its error message. */
const LAST_WORDS_BYTES = 4_096

/** What a run's command said, in a file; of more than its bound the rest is counted and dropped, and the command is not held up. */
export class RunLog {
  readonly path: string
  readonly #file: number
  #bytes: number
  #dropped = 0
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
    if (this.#dropped > 0) appendFileSync(this.path, `\n--- ${this.#dropped} bytes more were not kept\n`)
  }

  #write(chunk: Buffer): void {
    const kept = chunk.subarray(0, Math.max(0, LOG_BYTES_MAX - this.#bytes))
    this.#dropped += chunk.length - kept.length
    if (kept.length === 0) return
    writeSync(this.#file, kept)
    this.#bytes += kept.length
  }
}
