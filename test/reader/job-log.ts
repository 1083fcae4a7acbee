import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SpacedLog } from '../support/spaced-log.ts'

/** Where the log of a test's jobs is; another process opens it by the same words. */
export type JobLog =
  | { readonly sqlite: string }
  /** A part of its own on brokers that are there. */
  | { readonly brokers: readonly string[]; readonly space: string }

export async function openJobLog(where: JobLog): Promise<Log> {
  if ('sqlite' in where) return openSqliteLog({ path: where.sqlite, clock: systemClock })
  const { brokers, space } = where
  const log = await openKafkaLog({ brokers: [...brokers], client_id: 'jobs' }, { clock: systemClock, log: silentLogger })
  return new SpacedLog(log, space)
}

/** Counts the calls of a log that are under way: a test waits until there are none, however long a broker takes. */
export class CountedLog {
  readonly log: Log
  underWay = 0

  constructor(counted: Log) {
    this.log = new Proxy(counted, {
      get: (log, name) => {
        const member: unknown = Reflect.get(log, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => this.#count(Reflect.apply(member, log, args))
      },
    })
  }

  #count<Result>(result: Result): Result {
    if (!(result instanceof Promise)) return result
    this.underWay += 1
    return result.finally(() => {
      this.underWay -= 1
    }) as Result
  }
}
