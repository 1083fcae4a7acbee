import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { listen } from '../../src/amqp/listen.ts'
import { readIdentity, writeIdentity } from '../../src/ca/gateway-identity.ts'
import { wrongServer } from '../../src/ca/peer-chain.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { Link } from '../../src/link/link.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { TcpProxy } from '../link/tcp-proxy.ts'
import { findings } from '../link/world.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { until } from '../support/until.ts'
import { Plant } from './world.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

test('an enrolled gateway goes to the second core when the first one freezes, and back when the second one is cut: over TLS, without a loss', async () => {
  const plant = await (await Plant.make()).startCore()
  ends.push(() => plant.end())
  const log = new MemoryLog(systemClock)
  const proxies: TcpProxy[] = []
  for (const name of ['core-1', 'core-2']) {
    const url = `amqps://127.0.0.1:${await freePort()}`
    const tls = plant.authority.server
    const ingress = new Ingress({
      name,
      log,
      listen: handlers =>
        listen({ url, containerId: name, tls, strangers: 'admitted', clock: systemClock, log: silentLogger }, handlers),
      mayWrite: identityRule('required'),
      identities: plant.desk,
      clock: systemClock,
      random: () => 0.5,
      logger: silentLogger,
      alarms: new Alarms(systemClock),
    })
    await ingress.start()
    ends.push(() => ingress.stop())
    const proxy = await TcpProxy.open(Number(new URL(url).port))
    ends.push(() => proxy.close())
    proxies.push(proxy)
  }
  const [first, second] = proxies as [TcpProxy, TcpProxy]
  const path = `${plant.folder}/identity.pem`
  writeIdentity(path, await plant.enroll())
  const identity = readIdentity(path)
  if (!identity) throw new Error('no identity')
  const tls = { cert: identity.chain, key: identity.key, ca: identity.root.toString() }
  const buffer = new MemoryBuffer('gw-1', new MemoryDisk('instance-1'))
  buffer.addSource('source-1', 'topic-1')
  const link = new Link({
    gateway: 'gw-1',
    buffer,
    connect: attempt => {
      const url = `amqps://127.0.0.1:${(attempt % 2 === 0 ? first : second).port}`
      return plant.dial({ url, tls, wrongPeer: wrongServer(identity), idleTimeoutMs: 1_000 })
    },
    clock: systemClock,
    random: () => 0.5,
    log: silentLogger,
    alarms: new Alarms(systemClock),
  })
  ends.push(() => link.stop())
  link.start()
  const settled = (count: number) => until(`${count} are settled`, () => buffer.outlet('source-1')?.settled === count, 60_000)
  const peerIs = (proxy: TcpProxy) => until('it is there', () => link.status().peer === `127.0.0.1:${proxy.port}`, 60_000)
  buffer.give('source-1', 500)
  await settled(500)
  await peerIs(first)
  first.hold()
  buffer.give('source-1', 500)
  await settled(1_000)
  await peerIs(second)
  second.cut()
  buffer.give('source-1', 500)
  await settled(1_500)
  await peerIs(first)
  const claim = await log.claimOf({ gateway: 'gw-1', source: 'source-1' })
  const values = claim ? log.records(claim).map(({ value }) => value?.toString() ?? null) : []
  expect(findings(values, 'source-1', 1_500)).toEqual([])
})
