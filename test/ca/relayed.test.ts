import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { dial } from '../../src/amqp/dial.ts'
import { PROOF } from '../../src/amqp/identity-messages.ts'
import { PROTOCOL_VERSION } from '../../src/amqp/messages.ts'
import { readIdentity } from '../../src/ca/gateway-identity.ts'
import { certificatesIn, fingerprintOf } from '../../src/ca/pem.ts'
import { prove } from '../../src/ca/proof.ts'
import { askToRenew, askWhetherDue } from '../../src/ca/renewal.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { Link } from '../../src/link/link.ts'
import { OpeningChannel } from '../../src/link/opening-channel.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Network } from '../interconnect/network.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { AT, Plant } from './world.ts'

const IMPOSTORS_SESSION = 900
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A gateway that is enrolled, a core, and a router of the suite between them, which anybody may connect to. */
async function relayed(register: 'known to the core' | 'not known') {
  const plant = await Plant.make()
  ends.push(() => plant.end())
  const network = new Network(await freePort(), new SeededRandom(1))
  await network.start()
  ends.push(() => network.kill())
  const connect = (containerId: string) => dial({ url: network.url, containerId, clock: systemClock, log: silentLogger })
  const ingress = new Ingress({
    name: 'core-1',
    log: new MemoryLog(systemClock),
    routers: [{ url: network.url, connect: () => connect('core-1') }],
    mayWrite: identityRule('optional'),
    ...(register === 'known to the core' && { identities: plant.desk }),
    clock: systemClock,
    random: () => 0.5,
    logger: silentLogger,
    alarms: new Alarms(systemClock),
  })
  await ingress.start()
  ends.push(() => ingress.stop())
  const path = `${plant.folder}/identity.pem`
  await plant.issue('gw-1', path)
  const identity = readIdentity(path)
  if (!identity) throw new Error('no identity')
  const certificate = String(certificatesIn(identity.chain)[0])
  const proofOf = (body: Buffer) => ({
    [PROOF.certificate]: certificate,
    [PROOF.signature]: prove(identity.key, 'opening', body),
  })
  const buffer = new MemoryBuffer('gw-1', new MemoryDisk('instance-1'))
  buffer.addSource('source-1', 'topic-1')
  const link = new Link({
    gateway: 'gw-1',
    buffer,
    mode: 'router',
    connect: () => connect('gw-1'),
    proofOf,
    clock: systemClock,
    random: () => 0.5,
    log: silentLogger,
    alarms: new Alarms(systemClock),
  })
  ends.push(() => link.stop())
  link.start()
  buffer.give('source-1', 100)
  await until('the gateway is through', () => buffer.outlet('source-1')?.settled === 100, 60_000)
  return {
    plant,
    connect,
    ingress,
    link,
    buffer,
    own: { gateway: 'gw-1', key: identity.key, certificate, root: fingerprintOf(plant.authority.root) },
  }
}

/** Somebody else whom the router lets in opens in the gateway's name, and asks for a new epoch. */
async function impostor(connect: (name: string) => ReturnType<typeof dial>) {
  const connection = await connect('gw-2')
  ends.push(() => connection.destroy())
  const channel = await OpeningChannel.attach(connection, systemClock, silentLogger, 10_000)
  const sources = [{ source: 'source-1', topic: 'topic-1' }]
  const request = {
    version: PROTOCOL_VERSION,
    gateway: 'gw-1',
    instance: 'instance-1',
    session: IMPOSTORS_SESSION,
    sources,
    resume: ['source-1'],
  } as const
  return channel.ask({ ...request, sources: [...sources], resume: ['source-1'] }, 30_000)
}

describe('through a router', () => {
  test('nobody opens in the name of a gateway that is enrolled', async () => {
    const { connect, ingress, link } = await relayed('known to the core')
    expect(await impostor(connect)).toMatchObject({ kind: 'reply', reply: { error: { code: 'not_yours' } } })
    // A machine that stands still for seconds may have made it open anew: of its own number, and not of the impostor's.
    await until('it sends', () => link.status().state === 'sending', 60_000)
    expect(link.status().session).toBeLessThan(IMPOSTORS_SESSION)
    const [known] = ingress.status().gateways
    expect(known?.gateway).toBe('gw-1')
    expect(known?.session).toBeLessThan(IMPOSTORS_SESSION)
  })

  test('it is the signature that keeps them out: a core without the register lets them', async () => {
    const { connect } = await relayed('not known')
    const answer = await impostor(connect)
    expect(answer).toMatchObject({
      kind: 'reply',
      reply: { session: IMPOSTORS_SESSION, sources: [{ source: 'source-1', epoch: 1 }] },
    })
  })

  test('certificates are renewed, and who is revoked is sent away', async () => {
    const { plant, connect, ingress, link, buffer, own } = await relayed('known to the core')
    const connection = await connect('gw-1')
    ends.push(() => connection.destroy())
    const asking = { connection, clock: systemClock, at: AT }
    expect(await askWhetherDue(asking, own.certificate)).toBe(false)
    expect(await askToRenew(asking, own)).toContain('BEGIN CERTIFICATE')
    plant.authority.revoke('gw-1')
    plant.desk.changed()
    expect(ingress.status().gateways).toEqual([])
    // A router says nothing of it: the gateway asks when it has something to send and may not.
    buffer.give('source-1', 10)
    await until('it hears that it was revoked', () => link.status().state === 'refused', 60_000)
  })
})
