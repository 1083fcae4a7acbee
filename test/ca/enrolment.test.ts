import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { PROOF } from '../../src/amqp/identity-messages.ts'
import { listen } from '../../src/amqp/listen.ts'
import { Authority } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { readIdentity, takeIssued, writeIdentity } from '../../src/ca/gateway-identity.ts'
import { wrongFirstServer, wrongServer } from '../../src/ca/peer-chain.ts'
import { certificatesIn, fingerprintOf } from '../../src/ca/pem.ts'
import { prove } from '../../src/ca/proof.ts'
import { askToEnroll, askToRenew, askWhetherDue, questionAddress } from '../../src/ca/renewal.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { RELEASED_MS } from '../../src/runtime/released.ts'
import { AT, DAY_MS, Plant } from './world.ts'

const YEAR_MS = 365 * DAY_MS
const plants: Plant[] = []

async function plantOf(options: Parameters<typeof Plant.make>[0] = {}): Promise<Plant> {
  const plant = await Plant.make(options)
  plants.push(plant)
  return plant
}

afterEach(async () => {
  for (const plant of plants.splice(0)) await plant.end()
})

/** The gateway of an identity file, as its agent reads it. */
function gatewayOf(plant: Plant, content: string) {
  const path = join(plant.folder, 'edge', 'identity.pem')
  writeIdentity(path, content)
  const identity = readIdentity(path)
  if (!identity) throw new Error('no identity')
  const [leaf] = certificatesIn(identity.chain)
  const certificate = String(leaf)
  return {
    ...identity,
    path,
    certificate,
    endsAt: leaf?.validToDate.toISOString(),
    own: { gateway: identity.gateway, key: identity.key, certificate, root: fingerprintOf(identity.root) },
    dial: () =>
      plant.dial({
        tls: { cert: identity.chain, key: identity.key, ca: identity.root.toString() },
        wrongPeer: wrongServer(identity),
      }),
  }
}

describe('a token', () => {
  test('enrols one key, and that one again where the answer was lost', async () => {
    const plant = await (await plantOf()).startCore()
    const token = plant.token()
    const key = await newKey()
    await plant.enroll(token, key)
    await plant.enroll(token, key)
    await expect(plant.enroll(token)).rejects.toThrow('used up')
    expect(plant.authority.list()).toHaveLength(2)
  })

  test('is good for its gateway alone, and for its time', async () => {
    const plant = await (await plantOf()).startCore()
    await expect(plant.enroll({ ...plant.token('gw-1'), gateway: 'gw-2' })).rejects.toThrow('not one for gw-2')
    const token = plant.token('gw-1', 1_000)
    plant.aheadMs = 2_000
    await expect(plant.enroll(token)).rejects.toThrow('too old')
  })

  test('is never repeated in what is said of it', () => {
    expect(() => decodeToken('hr1.bWFya2Vk')).toThrow('cannot be read')
    expect(() => decodeToken('hr1.bWFya2Vk')).not.toThrow('bWFya2Vk')
  })
})

describe('a gateway whose clock is wrong', () => {
  test.each([
    ['ten years behind the core', { aheadMs: 10 * YEAR_MS }],
    ['so far ahead that the core’s certificate seems to be over', { aheadMs: -YEAR_MS - DAY_MS }],
  ])('enrols: it is %s', async (_, { aheadMs }) => {
    const plant = await (await plantOf({ aheadMs })).startCore()
    // As if this version was released when the plant was made.
    expect(await plant.enroll(plant.token(), await newKey(), plant.clock.wallMs() - DAY_MS)).toContain('BEGIN CERTIFICATE')
  })

  test('connects, though its clock says that the core’s certificate is not yet good', async () => {
    const plant = await (await plantOf({ aheadMs: YEAR_MS })).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    await expect(gateway.dial()).resolves.toBeDefined()
  })

  test('refuses a core whose certificate was over before this version was made', async () => {
    const plant = await (await plantOf({ aheadMs: -2 * YEAR_MS })).startCore()
    await expect(plant.enroll()).rejects.toThrow('it is later than that')
  })

  test('refuses a core whose certificate was over before its own was signed', async () => {
    const plant = await (await plantOf({ aheadMs: -YEAR_MS - DAY_MS })).startCore()
    const floorMs = plant.clock.wallMs() - DAY_MS
    const content = await plant.enroll(plant.token(), await newKey(), floorMs)
    const gateway = gatewayOf(plant, content)
    const later = { root: gateway.root, floorMs: systemClock.wallMs() }
    await expect(plant.dial({ tls: { ca: gateway.root.toString() }, wrongPeer: wrongServer(later) })).rejects.toThrow(
      'later than that',
    )
  })
})

describe('somebody in the place of the core', () => {
  test('is found out before the token is said', async () => {
    const honest = await plantOf()
    const other = await (await plantOf()).startCore()
    honest.url = other.url
    await expect(honest.enroll()).rejects.toThrow('does not come from the authority that the token names')
  })

  test('with the certificate of a gateway is no core', async () => {
    const plant = await (await plantOf()).startCore()
    const stolen = gatewayOf(plant, await plant.enroll())
    const url = `amqps://127.0.0.1:${await freePort()}`
    const tls = { cert: stolen.chain + stolen.root.toString(), key: stolen.key }
    const handlers = {
      onConnection: () => {},
      onSenderAttach: () => ({ refuse: { condition: 'x', description: '' } }),
      onReceiverAttach: () => ({ refuse: { condition: 'x', description: '' } }),
    }
    const listener = await listen({ url, containerId: 'false', tls, clock: systemClock, log: silentLogger }, handlers)
    const honest = plant.url
    plant.url = url
    try {
      await expect(plant.enroll()).rejects.toThrow('not one for a server')
    } finally {
      plant.url = honest
      await listener.close()
    }
  })

  test('gives no certificate that is kept', async () => {
    const plant = await plantOf()
    const other = await plantOf()
    const key = await newKey()
    const { secret } = other.token()
    const issued = await other.authority.enroll('gw-1', secret, await newRequest(key, 'gw-1'))
    if ('refused' in issued) throw new Error(issued.refused)
    const root = fingerprintOf(plant.authority.root)
    expect(() => takeIssued(issued, { gateway: 'gw-1', key, root })).toThrow('not come from the authority')
    const theirs = fingerprintOf(other.authority.root)
    expect(() => takeIssued(issued, { gateway: 'gw-2', key, root: theirs })).toThrow('for another name')
    expect(takeIssued(issued, { gateway: 'gw-1', key, root: theirs })).toContain('PRIVATE KEY')
  })
})

describe('a certificate', () => {
  test('is renewed at two thirds of its life, under a new key', async () => {
    const plant = await (await plantOf({ lifeMs: 90 * DAY_MS })).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const connection = await gateway.dial()
    const asking = { connection, clock: systemClock, at: AT }
    plant.aheadMs = 59 * DAY_MS
    expect(await askWhetherDue(asking, gateway.certificate)).toBe(false)
    plant.aheadMs = 61 * DAY_MS
    expect(await askWhetherDue(asking, gateway.certificate)).toBe(true)
    const renewed = gatewayOf(plant, await askToRenew(asking, gateway.own))
    expect(renewed.key).not.toBe(gateway.key)
    expect(renewed.floorMs).toBeGreaterThan(gateway.floorMs)
  })

  test('that is over is good for its renewal alone, within the grace', async () => {
    const plant = await (await plantOf({ lifeMs: 60_000, graceMs: DAY_MS, aheadMs: -120_000 })).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const connection = await gateway.dial()
    await expect(connection.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).rejects.toThrow('unauthorized-access')
    const asking = { connection, clock: systemClock, at: AT }
    plant.aheadMs = 0
    const renewed = gatewayOf(plant, await askToRenew(asking, gateway.own))
    const good = await renewed.dial()
    await expect(good.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
    plant.aheadMs = 2 * DAY_MS
    await expect(askToRenew(asking, gateway.own)).rejects.toThrow('the grace for renewing it is over')
  })

  test('that ends while its link is open closes it, and is renewed over the next one', async () => {
    const plant = await (await plantOf({ lifeMs: 60_000, aheadMs: -52_000 })).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    plant.aheadMs = 0
    const connection = await gateway.dial()
    await expect(connection.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
    expect(await connection.closed).toMatchObject({
      condition: 'amqp:connection:forced',
      description: expect.stringContaining(`the certificate ended on ${gateway.endsAt}`),
    })
    const again = { connection: await gateway.dial(), clock: systemClock, at: AT }
    expect(await askWhetherDue(again, gateway.certificate)).toBe(true)
    const renewed = gatewayOf(plant, await askToRenew(again, gateway.own))
    const good = await renewed.dial()
    await expect(good.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
  })

  test('that was made while the clock of the core was ahead is renewed as soon as that is right', async () => {
    const plant = await (await plantOf()).startCore()
    plant.aheadMs = 100 * DAY_MS
    const gateway = gatewayOf(plant, await plant.enroll())
    plant.aheadMs = 0
    const asking = { connection: await gateway.dial(), clock: systemClock, at: AT }
    expect(await askWhetherDue(asking, gateway.certificate)).toBe(true)
    const good = await gatewayOf(plant, await askToRenew(asking, gateway.own)).dial()
    await expect(good.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
  })

  test('is renewed by nobody who does not hold its key', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const asking = { connection: await gateway.dial(), clock: systemClock, at: AT }
    await expect(askToRenew(asking, { ...gateway.own, key: await newKey() })).rejects.toThrow('not signed with the key')
  })

  test('and its key are one file, which nobody else may read', async () => {
    const plant = await (await plantOf()).startCore()
    const { path } = gatewayOf(plant, await plant.enroll())
    chmodSync(path, 0o640)
    expect(() => readIdentity(path)).toThrow('may be read by others')
    chmodSync(path, 0o600)
    writeFileSync(path, 'not a key')
    expect(() => readIdentity(path)).toThrow('no identity of a gateway')
  })
})

describe('a gateway that is revoked', () => {
  test('is sent away at once, and comes in again when it is allowed', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const connection = await gateway.dial()
    const other = gatewayOf(plant, await plant.enroll(plant.token('gw-2')))
    const stays = await other.dial()
    plant.authority.revoke('gw-1')
    plant.desk.changed()
    expect(await connection.closed).toMatchObject({ condition: 'amqp:unauthorized-access', description: 'gw-1 was revoked' })
    await stays.openSender({ address: 'headrace/open', timeoutMs: 5_000 })
    const again = await gateway.dial()
    expect(await again.closed).toMatchObject({ description: 'gw-1 was revoked' })
    plant.authority.allow('gw-1')
    const allowed = await gateway.dial()
    await expect(allowed.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
  })

  test('is seen by a core in another process', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const connection = await gateway.dial()
    const command = Authority.open({ folder: plant.folder, clock: systemClock, lifeMs: 0, graceMs: 0 })
    command.revoke('gw-1')
    command.close()
    expect(await connection.closed).toMatchObject({ description: 'gw-1 was revoked' })
  })

  test('gets no certificate for one that it has, nor for a token of before', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const [connection, token] = [
      await plant.dial({ wrongPeer: wrongServer(gateway), tls: { ca: gateway.root.toString() } }),
      plant.token(),
    ]
    plant.authority.revoke('gw-1')
    await expect(askToRenew({ connection, clock: systemClock, at: AT }, gateway.own)).rejects.toThrow('gw-1 was revoked')
    await expect(plant.enroll(token)).rejects.toThrow('used up, or too old')
    await expect(plant.enroll()).resolves.toBeDefined()
  })
})

describe('a stranger', () => {
  test('may ask for a certificate, and do nothing else', async () => {
    const plant = await (await plantOf()).startCore()
    const connection = await plant.dial({ tls: { ca: plant.authority.root.toString() } })
    for (const address of ['headrace/open', 'headrace/in/gw-1/1', 'headrace/ctl'])
      await expect(connection.openSender({ address, timeoutMs: 5_000 })).rejects.toThrow('unauthorized-access')
    await expect(connection.openSender({ address: 'headrace/identity', timeoutMs: 5_000 })).resolves.toBeDefined()
  })

  test('may ask where gateways ask that usually speak with a broker, too', async () => {
    const plant = await (await plantOf()).startCore()
    const connection = await plant.dial({ wrongPeer: wrongFirstServer(plant.token().root, RELEASED_MS) })
    const asking = { connection, clock: systemClock, at: questionAddress('broker') }
    expect(await askToEnroll(asking, plant.token(), await newKey())).toContain('BEGIN CERTIFICATE')
  })

  test('keeps nobody out by being many', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const tls = { ca: plant.authority.root.toString() }
    const asked = await Promise.allSettled(Array.from({ length: 80 }, () => plant.dial({ tls })))
    expect(asked.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
    await expect(gateway.dial()).resolves.toBeDefined()
  })

  test('with the certificate of another authority does not come in at all', async () => {
    const plant = await (await plantOf()).startCore()
    const other = await (await plantOf()).startCore()
    const foreign = gatewayOf(other, await other.enroll())
    const tls = { cert: foreign.chain, key: foreign.key, ca: plant.authority.root.toString() }
    await expect(plant.dial({ tls })).rejects.toThrow()
  })
})

describe('an opening that a router relayed', () => {
  test('is proven by the gateway’s key, once', async () => {
    const plant = await (await plantOf()).startCore()
    const gateway = gatewayOf(plant, await plant.enroll())
    const stranger = gatewayOf(plant, await plant.enroll(plant.token('gw-2')))
    const body = Buffer.from('{"gateway":"gw-1"}')
    const signed = (by: typeof gateway, what = body) => ({
      [PROOF.certificate]: by.certificate,
      [PROOF.signature]: prove(by.key, 'opening', what),
    })
    const opening = { gateway: 'gw-1', session: 7, begins: true, body, properties: signed(gateway) }
    const judge = (more: Partial<typeof opening> | { properties: object }) =>
      plant.desk.provenance({ ...opening, ...more } as typeof opening)
    expect(await judge({ properties: {} }), 'not signed').toMatchObject({ kind: 'refused' })
    expect(await judge({ properties: signed(stranger) }), 'signed by another').toMatchObject({ kind: 'refused' })
    expect(await judge({ properties: signed(gateway, Buffer.from('{}')) }), 'of another body').toMatchObject({ kind: 'refused' })
    expect(await judge({ properties: { ...signed(stranger), [PROOF.certificate]: gateway.certificate } })).toMatchObject({
      kind: 'refused',
    })
    expect(await judge({})).toMatchObject({ kind: 'proven' })
    expect(await judge({}), 'said again by somebody who heard it').toEqual({ kind: 'old', newest: 7 })
    expect(await judge({ session: 8 })).toMatchObject({ kind: 'proven' })
    expect(await judge({ gateway: 'never-enrolled', properties: {} })).toEqual({ kind: 'unknown' })
    const meanwhile = judge({ session: 9 })
    plant.authority.revoke('gw-1')
    expect(await meanwhile, 'sent away while the session was noted').toMatchObject({ kind: 'refused' })
    expect(await judge({ session: 10 })).toMatchObject({ kind: 'refused' })
  })
})

describe('an authority', () => {
  test('that is there is not made anew', async () => {
    const plant = await plantOf()
    await expect(Authority.init(plant.folder, systemClock, { name: 'x', hosts: ['y'] })).rejects.toThrow('holds an authority')
  })

  test('does not start with a key that others may read', async () => {
    const plant = await plantOf()
    chmodSync(join(plant.folder, 'issuing.key'), 0o644)
    expect(() => Authority.open({ folder: plant.folder, clock: systemClock, lifeMs: 1, graceMs: 0 })).toThrow(
      'may be read by others',
    )
  })

  test('renews the certificate of its core under the same names', async () => {
    const plant = await plantOf()
    const before = certificatesIn(plant.authority.server.cert)[0]
    expect(await plant.authority.renewServer()).toBe(false)
    plant.aheadMs = 250 * DAY_MS
    expect(await plant.authority.renewServer()).toBe(true)
    const after = certificatesIn(plant.authority.server.cert)[0]
    expect(after?.serialNumber).not.toBe(before?.serialNumber)
    expect(after?.subjectAltName).toBe(before?.subjectAltName)
  })

  test('under a new issuing key still lets those in that came under the old one', async () => {
    const { readFileSync } = await import('node:fs')
    const plant = await plantOf()
    const { secret } = plant.token()
    const key = await newKey()
    await Authority.renewIssuing(plant.folder, plant.clock, readFileSync(join(plant.folder, 'root.key'), 'utf8'))
    await plant.startCore()
    const issued = await plant.authority.enroll('gw-1', secret, await newRequest(key, 'gw-1'))
    if ('refused' in issued) throw new Error(issued.refused)
    const root = fingerprintOf(plant.authority.root)
    const gateway = gatewayOf(plant, takeIssued(issued, { gateway: 'gw-1', key, root }))
    const connection = await gateway.dial()
    await expect(connection.openSender({ address: 'headrace/open', timeoutMs: 5_000 })).resolves.toBeDefined()
  })

  test('of before signs under its own root', async () => {
    const old = await plantOf()
    const { readFileSync } = await import('node:fs')
    const read = (file: string) => readFileSync(join(old.folder, file), 'utf8')
    const from = { chain: read('issuing.crt') + read('root.crt'), key: read('issuing.key') }
    const folder = join(old.folder, 'below')
    await Authority.init(folder, systemClock, { name: 'x', hosts: ['127.0.0.1'], from })
    const authority = Authority.open({ folder, clock: systemClock, lifeMs: DAY_MS, graceMs: 0 })
    expect(fingerprintOf(authority.root)).toBe(fingerprintOf(old.authority.root))
    authority.close()
  })
})
