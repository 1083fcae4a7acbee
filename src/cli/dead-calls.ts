import type { Log } from '../log/log.ts'
import { findDeadLetter, listDeadLetters, recordsOfLetter } from './dead-letters.ts'
import { type Retried, retryDeadLetter } from './dead-retry.ts'

/** Records of a letter that are shown; `records` says how many there are. */
const RECORDS_SHOWN_MAX = 100

type Args = Readonly<Record<string, unknown>>

/** What `headrace dead …` asks of a running core. */
export function deadCalls(log: Log) {
  // One after the other: two retries of one letter would only get in each other's way.
  let turn: Promise<unknown> = Promise.resolve()
  return {
    'dead.list': async () => listDeadLetters(log),
    'dead.show': async (args: Args) => {
      const { letter, batch } = await findDeadLetter(log, String(args['letter']))
      const { records, unreadable } = recordsOfLetter(letter, batch)
      return {
        ...letter,
        unreadable,
        records: records.slice(0, RECORDS_SHOWN_MAX).map(({ sequence, timeMs, value, headers }) => ({
          seq: sequence,
          time_ms: timeMs,
          value_base64: value?.toString('base64') ?? null,
          headers: Object.fromEntries(headers.map(header => [header.key, header.value.toString('utf8')])),
        })),
      }
    },
    'dead.retry': (args: Args): Promise<Retried> => {
      const retried = turn.then(async () => {
        const { letter, batch } = await findDeadLetter(log, String(args['letter']))
        return retryDeadLetter(log, letter, batch)
      })
      turn = retried.catch(() => {})
      return retried
    },
  }
}
