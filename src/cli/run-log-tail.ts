import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { Run } from '../reader/ledger.ts'
import { HeadraceError } from '../runtime/errors.ts'

/** The end of a log that is shown; all of it lies in its file. */
const SHOWN_BYTES_MAX = 64 * 1024

export interface RunLogTail {
  readonly run: string
  readonly state: string
  readonly path: string
  readonly bytes: number
  /** Byte of the file at which `text` begins. */
  readonly from: number
  readonly text: string
}

/** The end of what a run's command said. Throws `not_found` where the run kept no log, or it was deleted with its run. */
export function runLogTail({ id, state, log }: Run): RunLogTail {
  const path = log ?? ''
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const bytes = fstatSync(file).size
    const from = Math.max(0, bytes - SHOWN_BYTES_MAX)
    const part = Buffer.alloc(bytes - from)
    const read = readSync(file, part, 0, part.length, from)
    return { run: id, state, path, bytes, from, text: part.toString('utf8', 0, read) }
  } catch (cause) {
    throw new HeadraceError('not_found', `run ${id} has no log${path === '' ? '' : ` at ${path}`}`, {
      advice: 'A job keeps the logs of its latest runs: see `keep_runs`.',
      cause,
    })
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
