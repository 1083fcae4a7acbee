import { expect, test } from 'vitest'
import type { GatewayReport, ReportedSource } from '../../src/amqp/gateway-report.ts'
import { GatewayReports } from '../../src/ingress/reports.ts'
import type { Budget } from '../../src/link/budget.ts'
import { Reports } from '../../src/link/reports.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { World } from './world.ts'

function row(source: string, changes: Partial<ReportedSource> = {}): ReportedSource {
  const nothing = { reason: null, read: 0, dropped: 0, undecoded: 0, records: 0, bytes: 0, oldest_ms: null }
  return { source, state: 'reading', ...nothing, ...changes }
}

function report(sources: readonly ReportedSource[], changes: Partial<GatewayReport> = {}): GatewayReport {
  const disk = { quota_bytes: 100, used_bytes: 10, written_bytes: 20 }
  return { time_ms: 1, ...disk, records: 0, bytes: 0, oldest_ms: null, alarms: [], sources: [...sources], ...changes }
}

function gatewayIn(world: World, say: () => GatewayReport) {
  const disk = new MemoryDisk('instance-1')
  const reports = new Reports({ gateway: 'gw-1', instance: 'instance-1', clock: world.clock, report: say })
  return { reports, gateway: world.startGateway('gw-1', disk, ['a', 'b'], { reports }) }
}

test('the core learns how a gateway stands, and what changes, while records go on', async () => {
  const world = new World(5)
  const ingress = await world.startIngress()
  let read = 1
  const { gateway } = gatewayIn(world, () => report([row('a', { read }), row('b')]))
  gateway.buffer.give('a', 3)
  await world.clock.pass(5_000)
  expect([...(ingress.reports()[0]?.sources.values() ?? [])]).toEqual([row('a', { read: 1 }), row('b')])
  read = 2
  await world.clock.pass(5_000)
  expect(ingress.reports()[0]).toMatchObject({ gateway: 'gw-1', report: { used_bytes: 10 } })
  expect(ingress.reports()[0]?.sources.get('a')?.read).toBe(2)
  expect(await world.values('gw-1', 'a')).toHaveLength(3)
})

test('a core that comes anew is told everything anew', async () => {
  const world = new World(6)
  await world.startIngress()
  gatewayIn(world, () => report([row('a', { read: 7 })]))
  await world.clock.pass(5_000)
  world.killIngress()
  const second = await world.startIngress()
  await world.clock.pass(60_000)
  expect(second.reports()[0]?.sources.get('a')?.read).toBe(7)
})

test('of ten thousand sources all are told in turn, a few in each report', async () => {
  const world = new World(7)
  const ingress = await world.startIngress()
  const many = Array.from({ length: 1_000 }, (_, index) => row(`s-${index}`))
  gatewayIn(world, () => report(many))
  await world.clock.pass(1_000)
  expect(ingress.reports()[0]?.sources.size).toBe(200)
  await world.clock.pass(20_000)
  expect(ingress.reports()[0]?.sources.size).toBe(1_000)
})

test('on a link that costs money only what is not well is told, once a minute, and nothing while the budget allows only what is urgent', async () => {
  const world = new World(8)
  const ingress = await world.startIngress()
  let spent = 0
  let floor = Number.NEGATIVE_INFINITY
  const budget = {
    get floor() {
      return floor
    },
    spend: (bytes: number) => {
      spent += bytes
    },
  }
  let read = 0
  const say = () => report([row('a', { read: read++ }), row('b', { state: 'waiting', reason: 'no such device', read })])
  const reports = new Reports({
    gateway: 'gw-1',
    instance: 'instance-1',
    clock: world.clock,
    budget: budget as unknown as Budget,
    report: say,
  })
  world.startGateway('gw-1', new MemoryDisk('instance-1'), ['a', 'b'], { reports })
  await world.clock.pass(130_000)
  expect([...(ingress.reports()[0]?.sources.keys() ?? [])]).toEqual(['b'])
  const before = spent
  expect(before).toBeGreaterThan(0)
  expect(before).toBeLessThan(3_000)
  floor = 5
  await world.clock.pass(300_000)
  expect(spent).toBe(before)
})

test('what gateways say takes no more memory than is set for it', () => {
  const reports = new GatewayReports(new SimulatedClock())
  for (let gateway = 0; gateway < 2_005; gateway++) reports.hear(`gw-${gateway}`, report([row('a')]))
  expect(reports.list()).toHaveLength(2_000)
  expect(reports.list()[0]?.gateway).toBe('gw-5')
  for (let part = 0; part < 300; part++)
    reports.hear('gw-2000', report(Array.from({ length: 200 }, (_, index) => row(`s-${part}-${index}`))))
  const rows = reports.list().reduce((sum, { sources }) => sum + sources.size, 0)
  expect(rows).toBe(50_000)
})
