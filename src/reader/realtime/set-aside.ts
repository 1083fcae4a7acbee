import { existsSync, renameSync } from 'node:fs'
import type { Alarms } from '../../runtime/alarms.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'

/** SQLite's own words for a file that does not hold what was written. */
const DAMAGED_CODES = ['SQLITE_CORRUPT', 'SQLITE_NOTADB']
/** Files of one database. */
const ENDINGS = ['', '-wal', '-shm']

/**
 * Opens a file of analysers. One that is damaged is moved aside whole, and a new one is begun, with an alarm: what reads devices, or takes their records,
 * must not stand still for it.
 */
export function orSetAside<Opened>(
  path: string,
  open: (path: string) => Opened,
  { clock, alarms, log }: { readonly clock: Clock; readonly alarms: Alarms; readonly log: Logger },
): Opened {
  try {
    return open(path)
  } catch (error) {
    if (!isDamaged(error)) throw error
    const aside = `${path}.damaged-${new Date(clock.wallMs()).toISOString().replaceAll(':', '')}`
    for (const ending of ENDINGS) if (existsSync(`${path}${ending}`)) renameSync(`${path}${ending}`, `${aside}${ending}`)
    const message = `${path} was damaged (${messageOf(error)}) and was moved to ${aside}.`
    log.error({}, message)
    alarms.raise('analysers_damaged', {
      message,
      advice:
        'Look at the disk. Analysers begin anew: alerts that were on their way, and what was acknowledged and silenced, are in the damaged file.',
    })
    return open(path)
  }
}

function isDamaged(error: unknown): boolean {
  if (error instanceof HeadraceError) return error.code === 'state_damaged'
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && DAMAGED_CODES.some(each => code.startsWith(each))
}
