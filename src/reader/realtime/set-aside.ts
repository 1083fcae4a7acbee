import { existsSync, renameSync } from 'node:fs'
import type { Alarms } from '../../runtime/alarms.ts'
import type { Clock } from '../../runtime/clock.ts'
import { DATABASE_ENDINGS, isDamagedDatabase } from '../../runtime/damaged-database.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'

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
    for (const ending of DATABASE_ENDINGS) if (existsSync(`${path}${ending}`)) renameSync(`${path}${ending}`, `${aside}${ending}`)
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
  return error instanceof HeadraceError ? error.code === 'state_damaged' : isDamagedDatabase(error)
}
