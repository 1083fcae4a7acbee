import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { Fleet } from './fleet.ts'
import type { CoresReport } from './fleet-cores.ts'

/** HEADRACE_FLEET=1000 measures what a thousand cost. */
const GATEWAYS = Number(process.env['HEADRACE_FLEET'] ?? 60)
const SOURCES = 10
const RECORDS = 20
/** Openings that one ingress works on at once (src/ingress/openings.ts), for two of them. */
const OPENINGS_AT_ONCE_MAX = 2 * 8
/** What a gateway with ten sources may cost the cores, with what the model of a log keeps of it. */
const BYTES_PER_GATEWAY_MAX = 600 * 1024

describe(`${GATEWAYS} gateways with ${SOURCES} sources each, before two cores`, () => {
  let fleet: Fleet
  let idle: CoresReport
  const all = (records: number) => GATEWAYS * SOURCES * records

  beforeAll(async () => {
    ;({ fleet, idle } = await Fleet.start(SOURCES))
  })

  afterAll(() => fleet?.end())

  test('are all let in, a few at a time', async () => {
    fleet.add(GATEWAYS)
    fleet.give(RECORDS)
    await until('all is settled', () => fleet.settled() === all(RECORDS), 150_000)
    const report = await fleet.tell('report')
    expect(report).toMatchObject({ records: all(RECORDS), open: GATEWAYS, misplaced: 0 })
    expect(report.openingsAtOnce).toBeLessThanOrEqual(OPENINGS_AT_ONCE_MAX)
    const perGateway = (report.rssBytes - idle.rssBytes) / GATEWAYS
    console.log(
      `${GATEWAYS} gateways: ${Math.round(perGateway / 1024)} KiB each (heap ${Math.round((report.heapBytes - idle.heapBytes) / GATEWAYS / 1024)} KiB); ${report.openingsAtOnce} openings at once`,
    )
    expect(perGateway).toBeLessThan(BYTES_PER_GATEWAY_MAX)
  })

  test('come back after an outage of both cores without running them over, and lose nothing', async () => {
    await fleet.tell('outage')
    fleet.give(RECORDS)
    const back = await fleet.tell('return')
    expect(back.open).toBeLessThan(GATEWAYS)
    await until('all is settled', () => fleet.settled() === all(2 * RECORDS), 150_000)
    const report = await fleet.tell('report')
    expect(report).toMatchObject({ records: all(2 * RECORDS), misplaced: 0 })
    expect(report.openingsAtOnce).toBeGreaterThan(1)
    expect(report.openingsAtOnce).toBeLessThanOrEqual(OPENINGS_AT_ONCE_MAX)
  })
})
