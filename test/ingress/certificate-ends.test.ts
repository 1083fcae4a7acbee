import { expect, test } from 'vitest'
import type { PeerError, PeerIdentity } from '../../src/amqp/amqp.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { World } from '../link/world.ts'
import { MemoryDisk } from '../support/memory-buffer.ts'

const HOUR_MS = 3_600_000
/** It is looked so often. */
const SOON_MS = 10_000

/** An ingress that gateways come to with certificates which end after so long. */
async function worldOf(lives: Readonly<Record<string, number>>) {
  const world = new World(3)
  const lines: { gateway?: string; message: string }[] = []
  const logger: Logger = {
    ...silentLogger,
    warn: (fields: object, message: string) => void lines.push({ ...fields, message }),
    child: () => logger,
  }
  await world.startIngress('core-1', { mayWrite: identityRule('required'), logger })
  const startMs = world.clock.wallMs()
  const identityOf = (name: string): PeerIdentity => {
    return { method: 'certificate', name, fingerprint: name, endsMs: startMs + (lives[name] ?? 0) }
  }
  const dial = async (name: string) => {
    const connection = await world.network.dial('core-1', identityOf(name))
    const seen: { closed?: PeerError | undefined } = {}
    void connection.closed.then(error => {
      seen.closed = error
    })
    return seen
  }
  return { world, lines, dial, identityOf }
}

test('a link that is open is closed when its certificate ends, and others stay', async () => {
  const { world, lines, dial } = await worldOf({ 'gw-1': 2 * HOUR_MS, 'gw-2': 3 * HOUR_MS })
  const [ends, stays] = [await dial('gw-1'), await dial('gw-2')]
  await world.clock.pass(2 * HOUR_MS - 1_000)
  expect(ends.closed).toBeUndefined()
  await world.clock.pass(1_000 + SOON_MS)
  expect(ends.closed).toMatchObject({ condition: 'amqp:connection:forced' })
  expect(ends.closed?.description).toContain('the certificate ended on 2026-01-01T02:00:00.000Z')
  expect(lines).toMatchObject([{ gateway: 'gw-1', message: expect.stringContaining('comes again by itself') }])
  expect(stays.closed).toBeUndefined()
})

test('somebody sets the clock of the core past the end of a certificate: its link is closed soon, and not before', async () => {
  const { world, dial } = await worldOf({ 'gw-1': HOUR_MS })
  const seen = await dial('gw-1')
  world.clock.jump(-24 * HOUR_MS)
  await world.clock.pass(2 * HOUR_MS)
  expect(seen.closed).toBeUndefined()
  world.clock.jump(24 * HOUR_MS)
  await world.clock.pass(SOON_MS)
  expect(seen.closed).toMatchObject({ condition: 'amqp:connection:forced' })
})

test('a certificate that ended before its bearer was open (a TLS session that was resumed) opens nothing', async () => {
  const { world, dial } = await worldOf({ 'gw-1': 0 })
  const seen = await dial('gw-1')
  await world.clock.pass(0)
  expect(seen.closed).toMatchObject({ condition: 'amqp:connection:forced' })
})

test('a gateway whose link was closed for that comes in with the certificate that it has renewed, and no record is lost', async () => {
  const { world, identityOf } = await worldOf({ old: HOUR_MS, new: 100 * HOUR_MS })
  let shown = identityOf('old')
  const connect = () => world.network.dial('core-1', { ...shown, name: 'gw-1' })
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), ['source-1'], { connect })
  gateway.buffer.give('source-1', 10)
  expect(await world.drained([gateway])).toBe(true)
  shown = identityOf('new')
  await world.clock.pass(HOUR_MS)
  gateway.buffer.give('source-1', 10)
  expect(await world.drained([gateway])).toBe(true)
  expect(gateway.link.status().session).toBe(2)
  expect(gateway.alarms.list()).toEqual([])
  expect(await world.values('gw-1', 'source-1')).toHaveLength(20)
})
