import { expect, test } from 'vitest'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import type { Fetcher } from '../../../src/log/kafka/fetcher.ts'
import type { RecordAppender } from '../../../src/log/kafka/record-appender.ts'
import { CLAIMS_TOPIC, Registry } from '../../../src/log/kafka/registry.ts'
import type { SourcesView } from '../../../src/log/kafka/sources-view.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const CLAIMS = { topic: CLAIMS_TOPIC, partition: 0 }
/** Asked more often, it would be asked for ever. */
const ASKED_MAX = 1_000

test('claims whose end was told and cannot be read were asked for without end, and all openings waited: a leader may be behind the one before it', async () => {
  let asked = 0
  /** Its beginning and its end, as they are told the first time. */
  const bounds = [0, 7]
  const cluster = {
    leader: () => ({ node: 1 }),
    findLeader: async () => ({ node: 1 }),
    request: async () => [{ ...CLAIMS, error: 0, offset: bounds.shift() ?? 0, leaderEpoch: 1 }],
  }
  const fetcher = {
    fetch: async () => {
      asked += 1
      if (asked > ASKED_MAX) throw new Error('it is asked without end')
      return [{ ...CLAIMS, first: 0, next: 5, batches: [] }]
    },
  }
  const registry = new Registry({
    cluster: cluster as unknown as KafkaCluster,
    fetcher: fetcher as unknown as Fetcher,
    clock: new SimulatedClock(),
    appender: {} as RecordAppender,
    view: {} as SourcesView,
    replication: undefined,
  })
  await expect(registry.claims()).rejects.toMatchObject({
    code: 'log_unavailable',
    message: expect.stringContaining('gives nothing at 0'),
  })
  // The next one is not kept waiting by it.
  expect(await registry.claims()).toEqual([])
})
