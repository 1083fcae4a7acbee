import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** One older file of this size is kept beside the present one. */
const FILE_BYTES_MAX = 4 * 2 ** 20

/** Every change that was asked for through the console: one line of JSON each, kept within two files. */
export class AuditLog {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    mkdirSync(dirname(path), { recursive: true })
  }

  write(entry: {
    readonly time: string
    readonly user: string
    readonly address: string
    readonly what: string
    /** What was asked with it; a log-in is none of these changes. */
    readonly given?: Readonly<Record<string, unknown>>
    readonly status: number
  }): void {
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) > FILE_BYTES_MAX) renameSync(this.#path, `${this.#path}.1`)
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`, { mode: 0o640 })
  }
}
