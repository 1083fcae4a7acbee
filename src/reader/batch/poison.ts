import { existsSync, readFileSync, statSync } from 'node:fs'
import { HeadraceError } from '../../runtime/errors.ts'
import type { PoisonRecord, Range } from '../ledger.ts'

/** Records that one run may set aside; more of them are the fault of something else. */
export const POISON_PER_RUN_MAX = 1_000
const FILE_BYTES_MAX = 2 ** 20
const REASON_CHARACTERS_MAX = 500

/**
 * Reads what a command wrote into $HEADRACE_POISON_FILE: a line for each bad record, `<gateway>/<source> <seq>` and, if it likes, why.
 * Throws `command_failed` for lines that say something else, and for records that it was not given.
 */
export function readPoison(path: string, run: string, ranges: readonly Range[]): PoisonRecord[] {
  if (!existsSync(path)) return []
  if (statSync(path).size > FILE_BYTES_MAX) throw wrong(`it is larger than ${FILE_BYTES_MAX} bytes`)
  const bySource = new Map(ranges.map(range => [range.source, range]))
  return readFileSync(path, 'utf8')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .map(line => {
      const [, source = '', digits = '', reason = ''] = /^(\S+)\s+(\d{1,16})(?:\s+(.*))?$/.exec(line) ?? []
      const range = bySource.get(source)
      const sequence = Number(digits)
      if (digits === '') throw wrong(`"${line.slice(0, 80)}" is not <gateway>/<source> <seq> <reason>`)
      if (!range || sequence < range.from || sequence >= range.to) throw wrong(`${source} ${digits} was not part of the run`)
      return { source, sequence, run, reason: (reason || 'named by the command').slice(0, REASON_CHARACTERS_MAX) }
    })
}

function wrong(what: string): HeadraceError {
  return new HeadraceError('command_failed', `what the command wrote about bad records cannot be used: ${what}`)
}
