import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'
import { Fleet } from './fleet.ts'
import type { CoresReport } from './fleet-messages.ts'

/** HEADRACE_FLEET=… for another size. */
const GATEWAYS = Number(process.env['HEADRACE_FLEET'] ?? 1_000)
const SOURCES = 10
const RECORDS = 5
/** A thousand partitions each, as `headrace plan` would have it. */
const TOPICS = Math.max(1, Math.round((GATEWAYS * SOURCES) / 1_000))
/** Openings that one ingress works on at once (src/ingress/openings.ts), for two of them. */
const OPENINGS_AT_ONCE_MAX = 2 * 8
/** What a gateway with ten sources may cost the two cores' heap, with what each of them knows of Kafka's partitions. */
const HEAP_BYTES_PER_GATEWAY_MAX = 300 * 1024
/** The gateways are let in by hundreds, so that how it goes can be followed. */
const GATEWAYS_AT_ONCE = 100
/** A partition takes the broker a moment to make, and the machine may be loaded, ms. */
const SETTLE_LIMIT_MS = 120_000 + GATEWAYS * 1_500
/** One broker with ten thousand partitions: small indexes, and one file open for each. */
const BROKER = { heapMb: 1_024, settings: { 'log.index.size.max.bytes': 65_536, 'log.cleaner.enable': 'false' } }

describe(`${GATEWAYS} gateways with ${SOURCES} sources each, before two cores and one Kafka`, () => {
  let kafka: KafkaCluster
  let fleet: Fleet
  let idle: CoresReport
  const all = (records: number) => GATEWAYS * SOURCES * records

  beforeAll(async () => {
    kafka = await KafkaCluster.start(BROKER)
    ;({ fleet, idle } = await Fleet.start({ sources: SOURCES, brokers: kafka.addresses, topics: TOPICS }))
  })

  afterAll(async () => {
    await fleet?.end()
    await kafka?.stop()
  })

  test(
    'are all let in, a few at a time, and each record lies at its number',
    async () => {
      for (let have = 0; have < GATEWAYS; ) {
        const more = Math.min(GATEWAYS_AT_ONCE, GATEWAYS - have)
        const startedMs = performance.now()
        fleet.add(more)
        have += more
        const sources = have * SOURCES
        await until(`${have} gateways are in`, () => fleet.opened() === sources, SETTLE_LIMIT_MS)
        console.log(`${have} gateways are in, the last ${more} of them after ${Math.round(performance.now() - startedMs)} ms`)
      }
      fleet.give(RECORDS)
      await until('all is settled', () => fleet.settled() === all(RECORDS), SETTLE_LIMIT_MS)
      const report = await fleet.tell('report')
      expect(report).toMatchObject({ records: all(RECORDS), open: GATEWAYS, misplaced: 0 })
      expect(report.openingsAtOnce).toBeLessThanOrEqual(OPENINGS_AT_ONCE_MAX)
      const perGateway = (what: 'rssBytes' | 'heapBytes') => (report[what] - idle[what]) / GATEWAYS
      const [rss, heap] = [perGateway('rssBytes'), perGateway('heapBytes')].map(bytes => Math.round(bytes / 1024))
      console.log(`${GATEWAYS} gateways: ${rss} KiB each, of which heap ${heap} KiB; ${report.openingsAtOnce} openings at once`)
      expect(perGateway('heapBytes')).toBeLessThan(HEAP_BYTES_PER_GATEWAY_MAX)
    },
    SETTLE_LIMIT_MS * 2,
  )

  test(
    'come back after an outage of both cores without running them over, and lose nothing',
    async () => {
      await fleet.tell('outage')
      fleet.give(RECORDS)
      const startedMs = performance.now()
      await fleet.tell('return')
      await until('all is settled', () => fleet.settled() === all(2 * RECORDS), SETTLE_LIMIT_MS)
      console.log(`${GATEWAYS} gateways were back after ${Math.round((performance.now() - startedMs) / 1_000)} s`)
      const report = await fleet.tell('report')
      expect(report).toMatchObject({ records: all(2 * RECORDS), misplaced: 0 })
      expect(report.openingsAtOnce).toBeLessThanOrEqual(OPENINGS_AT_ONCE_MAX)
    },
    SETTLE_LIMIT_MS * 2,
  )
})
