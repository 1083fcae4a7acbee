import { join } from 'node:path'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Log } from './log.ts'
import type { LogOptions } from './options.ts'

export interface LogDeps {
  /** `<state>/core`. */
  readonly stateDir: string
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  /** Where a person is told of a log that is damaged. */
  readonly alarms?: Alarms
}

/** Opens the engine that the configuration names; only that one is loaded. */
export async function openLog(options: LogOptions, deps: LogDeps): Promise<Log> {
  if (options.kafka) {
    const { openKafkaLog } = await import('./kafka/kafka-log.ts')
    return openKafkaLog(options.kafka, deps)
  }
  const { openSqliteLog } = await import('./sqlite/sqlite-log.ts')
  const path = options.sqlite?.path ?? join(deps.stateDir, 'log.db')
  return openSqliteLog({ path, clock: deps.clock, ...(deps.alarms && { alarms: deps.alarms }) })
}
