import { appendFileSync, closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../runtime/durable-folder.ts'

/** One older file of this size is kept beside the present one. */
const FILE_BYTES_MAX = 4 * 2 ** 20
/** Of each of the two files so much of its end is looked through for the latest entries. */
const LOOKED_AT_BYTES = 256 * 1024
const SHOWN_MAX = 200
/** Nobody sends such with a change; where somebody did by mistake, it is not kept. */
const SECRET_KEYS = /^(password|token|secret|authorization)$/i

export interface AuditEntry {
  readonly time: string
  readonly user: string
  readonly address: string
  readonly what: string
  /** What was asked with it; a log-in is none of these changes. */
  readonly given?: Readonly<Record<string, unknown>>
  readonly status: number
}

/** Every change that was asked for through the console: one line of JSON each, kept within two files. */
export class AuditLog {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    makeFolder(dirname(path))
  }

  write(entry: AuditEntry): void {
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) > FILE_BYTES_MAX) renameSync(this.#path, `${this.#path}.1`)
    appendFileSync(this.#path, `${auditLine(entry)}\n`, { mode: 0o640 })
  }

  /** The latest, newest first. A line that a power cut left half written is passed over. */
  latest(): AuditEntry[] {
    const lines = [`${this.#path}.1`, this.#path].flatMap(path => endOf(path).split('\n'))
    return lines.flatMap(entryOf).slice(-SHOWN_MAX).toReversed()
  }
}

/** JSON, without what is secret. */
export function auditLine(entry: AuditEntry): string {
  return JSON.stringify(entry, (key, value: unknown) => (SECRET_KEYS.test(key) ? '***' : value))
}

function entryOf(line: string): AuditEntry[] {
  try {
    return [JSON.parse(line) as AuditEntry]
  } catch {
    return []
  }
}

function endOf(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })) return ''
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const bytes = Buffer.alloc(Math.min(size, LOOKED_AT_BYTES))
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, size - bytes.length))
  } finally {
    closeSync(file)
  }
}
