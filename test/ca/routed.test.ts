import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { dial } from '../../src/amqp/dial.ts'
import { Authority } from '../../src/ca/authority.ts'
import { readIdentity } from '../../src/ca/gateway-identity.ts'
import { certificatesIn } from '../../src/ca/pem.ts'
import { createUplink, identityPath } from '../../src/cli/uplink.ts'
import { edgeSchema } from '../../src/config/edge.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { Link } from '../../src/link/link.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Network } from '../interconnect/network.ts'
import { tlsDoor } from '../interconnect/network-door.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { Plant } from './world.ts'

const HOUR_MS = 3_600_000
const GATEWAY = 'plant-a-1'
const LIMIT_MS = 60_000

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A router with certificates of the built-in authority, a core behind it, and one beside it to which gateways may come directly. */
async function routed(certificate: 'good' | 'ended') {
  const aheadMs = certificate === 'ended' ? -2 * HOUR_MS : 0
  const plant = await (await Plant.make({ lifeMs: HOUR_MS, aheadMs })).startCore()
  ends.push(() => plant.end())
  const folder = mkdtempSync(join(tmpdir(), 'headrace-secured-router-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const ca = join(plant.folder, 'root.crt')
  const [router, core] = await Promise.all(
    ['127.0.0.1', 'headrace-core'].map(host => Authority.newServer(plant.folder, systemClock, [host], join(folder, host))),
  )
  if (!router || !core) throw new Error('no certificates')
  const network = new Network(await freePort(), new SeededRandom(1), tlsDoor({ ...router, ca }))
  await network.start()
  ends.push(() => network.kill())
  const common = { clock: systemClock, log: silentLogger }
  const tls = { cert: readFileSync(core.cert), key: readFileSync(core.key), ca: readFileSync(ca) }
  const ingress = new Ingress({
    name: 'core-1',
    log: new MemoryLog(systemClock),
    routers: [{ url: network.url, connect: () => dial({ url: network.url, containerId: 'core-1', tls, ...common }) }],
    mayWrite: identityRule('optional'),
    identities: plant.desk,
    clock: systemClock,
    random: () => 0.5,
    logger: silentLogger,
    alarms: new Alarms(systemClock),
  })
  await ingress.start()
  ends.push(() => ingress.stop())
  const enrolled = async (gateway: string, state: string) => {
    await plant.issue(gateway, identityPath(state))
    return identityPath(state)
  }
  /** A gateway as `headrace edge` makes one. */
  const gateway = (uplink: object) => {
    const alarms = new Alarms(systemClock)
    const config = edgeSchema.parse({
      gateway: GATEWAY,
      state: folder,
      uplink: { url: network.url, mode: 'router', ...uplink },
      pipelines: ['x'],
    })
    const buffer = new MemoryBuffer(GATEWAY, new MemoryDisk('instance-1'))
    buffer.addSource('source-1', 'topic-1')
    const deps = { gateway: GATEWAY, buffer, mode: 'router', random: () => 0.5, alarms, ...common } as const
    const link = new Link({ ...deps, ...createUplink(config, silentLogger, alarms) })
    ends.push(() => link.stop())
    link.start()
    buffer.give('source-1', 100)
    return { alarms, settled: () => buffer.outlet('source-1')?.settled === 100 }
  }
  return { plant, network, folder, ca, enrolled, gateway, common }
}

describe('through a router that asks for certificates', () => {
  test('an enrolled gateway sends; it is known by its certificate, and sends as nobody else', async () => {
    const { network, folder, ca, enrolled, gateway, common } = await routed('good')
    await enrolled(GATEWAY, folder)
    const { settled } = gateway({})
    await until('it is through', settled, LIMIT_MS)
    const root = readFileSync(ca)
    await expect(dial({ url: network.url, containerId: 'nobody', tls: { ca: root }, ...common })).rejects.toThrow()
    const other = readIdentity(await enrolled('plant-a-2', join(folder, 'other')))
    if (!other) throw new Error('no identity')
    const tls = { cert: other.chain, key: other.key, ca: root }
    const connection = await dial({ url: network.url, containerId: 'plant-a-2', tls, ...common })
    ends.push(() => connection.destroy())
    const attach = (address: string) => connection.openSender({ address, timeoutMs: 10_000 })
    await expect(attach(`headrace/in/${GATEWAY}/1`)).rejects.toThrow('unauthorized')
    await expect(attach('headrace/open')).resolves.toBeDefined()
  })

  test('one that has the identity of another does not try, and says what to do', async () => {
    const { folder, enrolled, gateway } = await routed('good')
    await enrolled('plant-a-2', folder)
    const { alarms, settled } = gateway({})
    const alarm = await until('it says so', () => alarms.list().find(({ code }) => code === 'link_refused'), LIMIT_MS)
    expect(alarm.message).toContain('(This gateway is plant-a-1, and shows a certificate of plant-a-2.)')
    expect(alarm.advice).toContain('headrace ca token --gateway plant-a-1')
    expect(settled()).toBe(false)
  })

  test('one whose certificate has ended is told so, and what can be done', async () => {
    const { plant, folder, enrolled, gateway } = await routed('ended')
    await enrolled(GATEWAY, folder)
    plant.aheadMs = 0
    const { alarms, settled } = gateway({})
    const alarm = await until('it says so', () => alarms.list().find(({ code }) => code === 'certificate_ended'), LIMIT_MS)
    expect(alarm.message).toContain('a router lets nobody in')
    expect(alarm.advice).toContain('uplink.renew_at')
    expect(settled()).toBe(false)
  })

  test('and renews it at a core that may be reached for that alone, and sends', async () => {
    const { plant, folder, enrolled, gateway } = await routed('ended')
    const path = await enrolled(GATEWAY, folder)
    const before = readIdentity(path)
    plant.aheadMs = 0
    const { alarms, settled } = gateway({ renew_at: plant.url })
    await until('it is through', settled, LIMIT_MS)
    const leaf = certificatesIn(readIdentity(path)?.chain ?? '')[0]
    expect(String(leaf)).not.toBe(String(certificatesIn(before?.chain ?? '')[0]))
    expect(alarms.list()).toEqual([])
  })
})
