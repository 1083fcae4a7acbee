import { systemClock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { ServiceManager } from '../runtime/service-manager.ts'
import { type Vital, Watchdog } from '../runtime/watchdog.ts'

/** It is fed so often within the time after which the manager ends the process: feeds that are lost are not missed. */
const FEEDS_PER_LIMIT = 4

/** What a command tells whoever started it as a service; nothing where nobody did. */
export interface Supervision {
  /** It ends now, in order. */
  stopping(): void
}

/** Says that it is ready, and from then on that it is alive for as long as all `vitals` are. */
export function supervise(vitals: readonly Vital[], log: Logger): Supervision {
  const manager = ServiceManager.take(process.env, process.pid)
  if (!manager) return { stopping: () => {} }
  const failed = (cause: unknown) => log.warn({ cause: messageOf(cause) }, 'the service manager cannot be told')
  if (manager.watchdogMs === undefined) {
    manager.notify('READY=1').catch(failed)
    return { stopping: () => void manager.notify('STOPPING=1').catch(failed) }
  }
  const watchdog = new Watchdog({
    vitals,
    everyMs: manager.watchdogMs / FEEDS_PER_LIMIT,
    // Being ready is said again each time: managers before version 246 may lose a word of a helper that ends at once.
    feed: () => manager.notify('READY=1', 'WATCHDOG=1'),
    clock: systemClock,
    log,
  })
  watchdog.start()
  return {
    stopping: () => {
      watchdog.stop()
      void manager.notify('STOPPING=1').catch(failed)
    },
  }
}
