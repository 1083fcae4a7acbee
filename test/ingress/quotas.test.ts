import { describe, expect, test } from 'vitest'
import type { Connection, Delivery, PeerIdentity } from '../../src/amqp/amqp.ts'
import { PROPERTY } from '../../src/amqp/messages.ts'
import type { QuotaOptions } from '../../src/ingress/quota-options.ts'
import { TokenBucket } from '../../src/runtime/token-bucket.ts'
import { findings, type Gateway, World } from '../link/world.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

/** Records a second that the greedy one may send; in batches of ten. */
const ALLOWED = 50
const GREEDY: QuotaOptions = { default: {}, gateways: { greedy: { records_per_second: ALLOWED } } }
const SOURCES = ['source-1', 'source-2']
const GIVEN = 1_200
const FOR_SECONDS = 20
/** Bytes of batches a second; a batch of ten records has some hundreds. */
const BYTES_ALLOWED = 2_048

async function world(quotas: QuotaOptions | undefined, names = ['greedy', 'honest-1', 'honest-2']) {
  const made = new World(7)
  await made.startIngress('core-1', { quotas })
  const gateways = names.map(name => made.startGateway(name, new MemoryDisk(`instance-${name}`), SOURCES))
  for (const { buffer } of gateways) for (const source of SOURCES) buffer.give(source, GIVEN)
  return { made, gateways }
}

/** A connection over which a gateway hears nothing of quotas, as one of an older version would not. */
function deafToQuotas(connection: Connection): Connection {
  const without = (delivery: Delivery): Delivery => {
    const { quota: _quota, ...reply } = JSON.parse(delivery.message.body.toString('utf8')) as Record<string, unknown>
    return {
      ...delivery,
      alive: true,
      accept: () => delivery.accept(),
      message: { ...delivery.message, body: Buffer.from(JSON.stringify(reply)) },
    }
  }
  return {
    identity: connection.identity,
    remote: connection.remote,
    closed: connection.closed,
    close: error => connection.close(error),
    destroy: () => connection.destroy(),
    openSender: options => connection.openSender(options),
    openReceiver: options =>
      connection.openReceiver({ ...options, onDelivery: delivery => options.onDelivery(without(delivery)) }),
  }
}

/** As {@link world}, with the bytes of batches that each gateway sent. */
async function counting(quotas: QuotaOptions | undefined) {
  const made = await world(quotas)
  const bytes = new Map<unknown, number>()
  made.made.network.hurts = ({ body, properties }) => {
    const gateway = properties[PROPERTY.gateway]
    bytes.set(gateway, (bytes.get(gateway) ?? 0) + body.length)
    return false
  }
  return { ...made, bytesOf: (gateway: string) => bytes.get(gateway) ?? 0 }
}

const ANONYMOUS: PeerIdentity = { method: 'anonymous', name: undefined }
const certified = (name: string): PeerIdentity => ({ method: 'certificate', name })

/** A core to which connections are made, and whose of them still stand, in the order in which they came. */
async function connecting(quotas: QuotaOptions | undefined) {
  const made = new World(7)
  await made.startIngress('core-1', { quotas })
  const open = new Set<{ readonly name: string }>()
  const connected = async (identity: PeerIdentity) => {
    const entry = { name: identity.name ?? '-' }
    const connection = await made.network.dial('core-1', identity)
    open.add(entry)
    void connection.closed.then(() => open.delete(entry))
    await made.clock.pass(10)
  }
  return { made, connected, standing: () => [...open].map(({ name }) => name) }
}

function settledOf({ buffer }: Gateway): number {
  return SOURCES.reduce((sum, source) => sum + (buffer.outlet(source)?.settled ?? 0), 0)
}

describe('a quota', () => {
  test('holds a greedy gateway back, leaves honest ones alone, and loses nothing', async () => {
    const { made, gateways } = await world(GREEDY)
    const [greedy, ...honest] = gateways as [Gateway, Gateway, Gateway]
    expect(await made.drained(honest, 10_000)).toBe(true)
    await made.clock.pass(FOR_SECONDS * 1_000 - made.clock.monotonicMs())
    // A second's worth at once, and one grant that was made before it was known what comes.
    const most = ALLOWED * (FOR_SECONDS + 1) + 2 * ALLOWED
    expect(settledOf(greedy)).toBeLessThanOrEqual(most)
    expect(settledOf(greedy), 'and it gets what it may').toBeGreaterThan(ALLOWED * FOR_SECONDS * 0.8)
    // One session: to be without credit was nothing that made it open anew.
    expect(greedy.link.status()).toMatchObject({ state: 'sending', session: 1, quota: { recordsPerSecond: ALLOWED } })
    const told = made.ingresses
      .get('core-1')
      ?.status()
      .gateways.find(({ gateway }) => gateway === 'greedy')
    expect(told?.quota).toMatchObject({ recordsPerSecond: ALLOWED })
    expect(told?.quota.throttledMs).toBeGreaterThan(10_000)
    expect(greedy.alarms.list()).toEqual([])
    expect(await made.drained([greedy])).toBe(true)
    for (const { name } of gateways)
      for (const source of SOURCES) expect(findings(await made.values(name, source), source, GIVEN)).toEqual([])
  })

  test('is what holds it: without one it has long been through', async () => {
    const { made, gateways } = await world(undefined)
    await made.clock.pass(FOR_SECONDS * 1_000)
    expect(settledOf(gateways[0] as Gateway)).toBe(SOURCES.length * GIVEN)
  })

  test('is not escaped by opening anew', async () => {
    const { made, gateways } = await world(GREEDY, ['greedy'])
    for (let second = 0; second < FOR_SECONDS; second++) {
      await made.clock.pass(1_000)
      made.network.cut()
    }
    expect(gateways[0]?.link.status().session).toBeGreaterThan(5)
    expect(settledOf(gateways[0] as Gateway)).toBeLessThanOrEqual(ALLOWED * (FOR_SECONDS + 3))
    expect(await made.drained(gateways, 600_000)).toBe(true)
    expect(findings(await made.values('greedy', 'source-1'), 'source-1', GIVEN)).toEqual([])
  })

  test('lets a batch pass that is more than a second’s worth', async () => {
    const { made, gateways } = await world({ default: { records_per_second: 2 }, gateways: {} }, ['small'])
    await made.clock.pass(60_000)
    const settled = settledOf(gateways[0] as Gateway)
    expect(settled).toBeGreaterThanOrEqual(100)
    expect(settled).toBeLessThanOrEqual(180)
  })

  test('under which there is no credit for seconds does not make the gateway open anew', async () => {
    const sessions = async (silence: 'told' | 'not told') => {
      const made = new World(7)
      await made.startIngress()
      const connect = async () => (silence === 'told' ? made.network.dial() : deafToQuotas(await made.network.dial()))
      const gateway = made.startGateway('small', new MemoryDisk('instance-1'), SOURCES, { connect })
      for (const source of SOURCES) gateway.buffer.give(source, 10)
      await made.clock.pass(1_000)
      // What is cut and not stored waits to be sent.
      made.log.away = true
      for (const source of SOURCES) gateway.buffer.give(source, 100)
      await made.clock.pass(50)
      made.killIngress()
      made.log.away = false
      const ingress = await made.startIngress('core-1', { quotas: { default: { records_per_second: 2 }, gateways: {} } })
      await made.clock.pass(5_000)
      const first = gateway.link.status().session ?? 0
      await made.clock.pass(60_000)
      expect(ingress.status().gateways[0]?.quota.throttledMs).toBeGreaterThan(30_000)
      return (gateway.link.status().session ?? 0) - first
    }
    expect(await sessions('told')).toBe(0)
    expect(await sessions('not told'), 'a gateway that is not told so opens anew, again and again').toBeGreaterThan(6)
  })

  test.each([
    { quota: 'bytes', limits: { bytes_per_second: BYTES_ALLOWED } },
    {
      quota: 'bytes, and records that do not matter beside them',
      limits: { bytes_per_second: BYTES_ALLOWED, records_per_second: 10_000 },
    },
  ])('of $quota holds to bytes', async ({ limits }) => {
    const { made, gateways, bytesOf } = await counting({ default: {}, gateways: { greedy: limits } })
    const [greedy, ...honest] = gateways as [Gateway, Gateway, Gateway]
    await made.clock.pass(FOR_SECONDS * 1_000)
    expect(honest.map(settledOf)).toEqual([SOURCES.length * GIVEN, SOURCES.length * GIVEN])
    // A second's worth at once, and what the messages of one grant were heavier than it was guessed.
    expect(bytesOf('greedy')).toBeLessThanOrEqual(BYTES_ALLOWED * (FOR_SECONDS + 2))
    expect(bytesOf('greedy'), 'and it gets what it may').toBeGreaterThan(BYTES_ALLOWED * FOR_SECONDS * 0.8)
    expect(greedy.link.status()).toMatchObject({ state: 'sending', session: 1, quota: { bytesPerSecond: BYTES_ALLOWED } })
    const [told] =
      made.ingresses
        .get('core-1')
        ?.status()
        .gateways.filter(({ gateway }) => gateway === 'greedy') ?? []
    expect(told?.quota).toMatchObject({ bytesPerSecond: BYTES_ALLOWED })
    expect(told?.quota.throttledMs).toBeGreaterThan(10_000)
    expect(await made.drained([greedy])).toBe(true)
    for (const source of SOURCES) expect(findings(await made.values('greedy', source), source, GIVEN)).toEqual([])
  })

  test('of bytes is what holds it: without one far more bytes have come', async () => {
    const { made, gateways, bytesOf } = await counting(undefined)
    await made.clock.pass(FOR_SECONDS * 1_000)
    expect(settledOf(gateways[0] as Gateway)).toBe(SOURCES.length * GIVEN)
    expect(bytesOf('greedy')).toBeGreaterThan(BYTES_ALLOWED * (FOR_SECONDS + 2))
  })

  test('of connections closes the oldest of a gateway, and nobody else’s', async () => {
    const { connected, standing } = await connecting({ default: {}, gateways: { 'gw-1': { connections: 2 } } })
    for (const name of ['gw-1', 'gw-2', 'gw-1', 'gw-2', 'gw-2', 'gw-1', 'gw-1']) await connected(certified(name))
    for (let count = 0; count < 3; count++) await connected(ANONYMOUS)
    expect(standing()).toEqual(['gw-2', 'gw-2', 'gw-2', 'gw-1', 'gw-1', '-', '-', '-'])
  })

  test('of connections is what closes them: without one those of a gateway that means well stand, and of none do hundreds', async () => {
    const { connected, standing } = await connecting(undefined)
    await connected(certified('gw-2'))
    for (let count = 0; count < 4; count++) await connected(certified('gw-1'))
    expect(standing()).toEqual(['gw-2', 'gw-1', 'gw-1', 'gw-1', 'gw-1'])
    for (let count = 0; count < 100; count++) await connected(certified('gw-1'))
    expect(standing()).toEqual(['gw-2', ...Array(16).fill('gw-1')])
  })

  test('of one connection does not stop a gateway that connects anew while its old one hangs', async () => {
    const { made, connected, standing } = await connecting({ default: { connections: 1 }, gateways: {} })
    await connected(certified('gw-1'))
    const connect = () => made.network.dial('core-1', certified('gw-1'))
    const gateway = made.startGateway('gw-1', new MemoryDisk('instance-1'), ['a'], { connect })
    gateway.buffer.give('a', 100)
    expect(await made.drained([gateway])).toBe(true)
    expect(standing(), 'the one that hung').toEqual([])
    // Somebody with its certificate: the link loses its connection, and takes it back.
    await connected(certified('gw-1'))
    gateway.buffer.give('a', 100)
    expect(await made.drained([gateway])).toBe(true)
    expect(gateway.link.status().session).toBeGreaterThan(1)
    expect(findings(await made.values('gw-1', 'a'), 'a', 200)).toEqual([])
  })

  test('of partitions refuses what is new, and leaves what is there', async () => {
    const made = new World(1)
    await made.startIngress('core-1', { quotas: { default: { partitions: 2 }, gateways: {} } })
    const gateway = made.startGateway('gw-1', new MemoryDisk('instance-1'), ['a', 'b', 'c'])
    for (const source of ['a', 'b', 'c']) gateway.buffer.give(source, 10)
    expect(await made.clock.passUntil(() => gateway.buffer.outlet('b')?.settled === 10, 10_000)).toBe(true)
    expect(gateway.buffer.outlet('c')?.settled).toBe(0)
    expect(gateway.alarms.list()).toMatchObject([{ code: 'source_refused', source: 'c' }])
    expect(gateway.alarms.list()[0]?.message).toContain('2 partitions')
  })
})

test('a token bucket pays its debts before it lets anything through', () => {
  const clock = new SimulatedClock()
  const bucket = new TokenBucket({ perSecond: 10, burst: 20 }, clock)
  bucket.spend(50)
  expect(bucket.level).toBe(-30)
  expect(bucket.inMs(10)).toBe(4_000)
  expect(bucket.inMs(1_000), 'more than it ever holds: as soon as it is full').toBe(5_000)
})
