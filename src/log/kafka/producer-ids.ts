import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { initProducerId } from './apis.ts'
import { BUSY_ATTEMPTS_MAX, busyPause } from './busy.ts'
import type { KafkaCluster } from './cluster.ts'
import { COORDINATOR_BUSY, KAFKA_ERROR } from './error-codes.ts'

/** Requests under way: a broker gives one id for each and answers them in turn, and what others send on this connection waits behind them. */
const ASKED_AT_ONCE_MAX = 8

/** So many producer ids that nobody else has, from this broker. */
export async function newProducerIds(
  { cluster, clock }: { readonly cluster: KafkaCluster; readonly clock: Clock },
  node: number,
  count: number,
): Promise<number[]> {
  const ids: number[] = []
  let error: number = KAFKA_ERROR.none
  for (let busy = 0; busy < BUSY_ATTEMPTS_MAX; ) {
    const wanted = Math.min(ASKED_AT_ONCE_MAX, count - ids.length)
    if (wanted === 0) return ids
    const answers = await Promise.all(Array.from({ length: wanted }, () => cluster.request(node, initProducerId, null)))
    for (const answer of answers) {
      if (answer.error === KAFKA_ERROR.none) ids.push(answer.producerId)
      else error = answer.error
    }
    if (answers.every(answer => answer.error === KAFKA_ERROR.none)) continue
    if (answers.some(answer => answer.error !== KAFKA_ERROR.none && !COORDINATOR_BUSY.includes(answer.error)))
      throw new HeadraceError('log_unavailable', `Kafka gives no producer id: error ${error}`)
    // One that has just started, or has to ask the controller for more of them, gives none for a moment.
    busy += 1
    await busyPause(clock)
  }
  throw new HeadraceError('log_unavailable', `Kafka gives no producer id: its coordinator does not come up (error ${error})`)
}
