import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { follow } from '../../src/log/read-range.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { batchesIn } from '../log/batches-in.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'

const BROKERS = 3
const SOURCES = 6
/** Of each source, before and after each broker that is killed. */
const RECORDS_BETWEEN = 20
const LIMIT_MS = 120_000
const FETCH = { maxBytes: 2 ** 20, waitMs: 250 }

let kafka: KafkaCluster
let log: Log
const opened = () => openKafkaLog({ brokers: kafka.addresses, client_id: 'test' }, { clock: systemClock, log: silentLogger })

beforeAll(async () => {
  kafka = await KafkaCluster.start({ brokers: BROKERS })
  log = await opened()
}, LIMIT_MS)
afterAll(async () => {
  await log?.close()
  await kafka?.stop()
})

test('who follows partitions of three brokers has each record once and in order, while one broker after another is killed -9 and comes again', async () => {
  const { claimed, batchOf } = batchesIn(() => log)
  const claims: Claim[] = []
  for (let source = 0; source < SOURCES; source++) claims.push(await claimed())
  const written = new Map(claims.map(claim => [claim, 0]))
  const stopping = new AbortController()
  const { signal } = stopping

  async function write(claim: Claim): Promise<void> {
    while (!signal.aborted) {
      // What was stored although its answer was lost is seen here.
      const end = await log.end(claim).catch(() => undefined)
      if (!end) continue
      written.set(claim, end.next)
      await log.append(claim, batchOf(claim, end.next, 1), end.proof)
    }
  }

  const reader = await opened()
  const seen = new Map(claims.map(({ topic }) => [topic, [] as number[]]))
  /** A read that fails is gone on with from where it stood, as the analysers do. */
  async function read(): Promise<void> {
    while (!signal.aborted) {
      const cursors = claims.map(({ topic, partition }) => ({ topic, partition, from: (seen.get(topic)?.at(-1) ?? -1) + 1 }))
      try {
        for await (const { place, batches } of follow(reader, cursors, { ...FETCH, signal }))
          for (const bytes of batches) seen.get(place.topic)?.push(...decodeBatch(bytes).map(({ sequence }) => sequence))
      } catch (error) {
        expect(error).toMatchObject({ code: 'log_unavailable' })
      }
    }
  }

  const work = [...claims.map(write), read()]
  const readOn = async (what: string) => {
    const wanted = claims.map(claim => (written.get(claim) ?? 0) + RECORDS_BETWEEN)
    await until(what, () => claims.every(({ topic }, at) => (seen.get(topic)?.length ?? 0) >= (wanted[at] ?? 0)), LIMIT_MS)
  }
  await readOn('all are read')
  for (let node = 1; node <= BROKERS; node++) {
    await kafka.kill9(node)
    await readOn(`they are read without broker ${node}`)
    await kafka.restart(node)
    await readOn(`they are read with broker ${node} again`)
  }
  stopping.abort()
  await Promise.all(work)
  await reader.close()
  for (const numbers of seen.values()) expect(numbers).toEqual(numbers.map((_, index) => index))
}, 600_000)
