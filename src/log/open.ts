import { join } from 'node:path'
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
}

/** Opens the engine that the configuration names; only that one is loaded. */
export async function openLog(options: LogOptions, deps: LogDeps): Promise<Log> {
  if (options.kafka) {
    const { openKafkaLog } = await import('./kafka/kafka-log.ts')
    return openKafkaLog(options.kafka, deps)
  }
  const { openSqliteLog } = await import('./sqlite/sqlite-log.ts')
  return openSqliteLog({ path: options.sqlite?.path ?? join(deps.stateDir, 'log.db'), clock: deps.clock })
}
