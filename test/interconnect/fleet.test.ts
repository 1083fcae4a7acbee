import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { Fleet } from './fleet.ts'
import type { CoresReport } from './fleet-messages.ts'

/** HEADRACE_FLEET=1000 measures what a thousand cost. */
const GATEWAYS = Number(process.env['HEADRACE_FLEET'] ?? 60)
const SOURCES = 10
const RECORDS = 20
/** Openings that one ingress works on at once (src/ingress/openings.ts), for two of them. */
const OPENINGS_AT_ONCE_MAX = 2 * 8
/** What a gateway with ten sources may cost the cores' heap, with what the model of a log keeps of it; seen: 94 to 106 KiB. */
const HEAP_BYTES_PER_GATEWAY_MAX = 300 * 1024
/** However loaded the machine is, ms. */
const SETTLE_LIMIT_MS = 100_000 + GATEWAYS * 200

describe(`${GATEWAYS} gateways with ${SOURCES} sources each, before two cores`, () => {
  let fleet: Fleet
  let idle: CoresReport
  const all = (records: number) => GATEWAYS * SOURCES * records

  beforeAll(async () => {
    ;({ fleet, idle } = await Fleet.start({ sources: SOURCES }))
  })

  afterAll(() => fleet?.end())

  test(
    'are all let in, a few at a time',
    async () => {
      fleet.add(GATEWAYS)
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
      const back = await fleet.tell('return')
      expect(back.open).toBeLessThan(GATEWAYS)
      await until('all is settled', () => fleet.settled() === all(2 * RECORDS), SETTLE_LIMIT_MS)
      const report = await fleet.tell('report')
      expect(report).toMatchObject({ records: all(2 * RECORDS), misplaced: 0 })
      expect(report.openingsAtOnce).toBeGreaterThan(1)
      expect(report.openingsAtOnce).toBeLessThanOrEqual(OPENINGS_AT_ONCE_MAX)
    },
    SETTLE_LIMIT_MS * 2,
  )
})
