import { describe, expect, test } from 'vitest'
import type { Connection, Delivery, PeerIdentity } from '../../src/amqp/amqp.ts'
import { type Identities, QuestionDesk } from '../../src/ingress/identities.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MINUTE_MS = 60_000

function deskOf(clock: SimulatedClock) {
  const identities = { answer: async () => Buffer.from('answer') } as unknown as Identities
  return new QuestionDesk(identities, clock)
}

/** A peer whose questions come on a link; what became of them. */
function peer(desk: QuestionDesk, identity: PeerIdentity, remote = '10.0.0.1:4711') {
  const became = { answered: 0, released: 0 }
  const link = desk.link({ identity, remote } as Connection, () => void became.answered++)
  const delivery = {
    message: { body: Buffer.alloc(0), properties: {} },
    alive: true,
    release: () => void became.released++,
  } as unknown as Delivery
  return { became, ask: () => link.onDelivery(delivery) }
}

const gateway = (name: string): PeerIdentity => ({ method: 'certificate', name, fingerprint: name })
const STRANGER: PeerIdentity = { method: 'stranger', name: undefined }

describe('questions about certificates without end', () => {
  test.each([
    ['by one gateway', (desk: QuestionDesk) => [peer(desk, gateway('bad')), peer(desk, gateway('gw-1'))]],
    ['by one gateway, over many links', (desk: QuestionDesk) => [...manyOf(desk), peer(desk, gateway('gw-1'))]],
    ['by strangers of one address', (desk: QuestionDesk) => [peer(desk, STRANGER), peer(desk, STRANGER, '10.0.0.2:4711')]],
    [
      'by strangers of one network',
      (desk: QuestionDesk) => [peer(desk, STRANGER, '2001:db8::1:4711'), peer(desk, STRANGER, '2001:db8:0:1::1:4711')],
    ],
  ])('%s keep nobody else from asking', async (_, peersAt) => {
    const clock = new SimulatedClock()
    const peers = peersAt(deskOf(clock))
    const honest = peers.pop()
    for (let at = 0; at < MINUTE_MS; at += 10) {
      await clock.pass(10)
      for (const bad of peers) for (let each = 0; each < 4; each++) bad.ask()
      if (at % 10_000 === 5_000) honest?.ask()
    }
    await clock.pass(0)
    expect(honest?.became).toEqual({ answered: 6, released: 0 })
    // They are answered as well, at the rate of one.
    expect(peers.reduce((sum, { became }) => sum + became.answered, 0)).toBeGreaterThan(60)
  })
})

function manyOf(desk: QuestionDesk) {
  return Array.from({ length: 16 }, () => peer(desk, gateway('bad')))
}

test('while the log is away and nothing is answered, questions do not pile up in the core; they are answered again when it is back', async () => {
  const clock = new SimulatedClock()
  const waiting: ((answer: Buffer) => void)[] = []
  const identities = { answer: () => new Promise<Buffer>(resolve => waiting.push(resolve)) } as unknown as Identities
  const desk = new QuestionDesk(identities, clock)
  const [stranger, known] = [peer(desk, STRANGER), peer(desk, gateway('gw-1'))]
  for (let at = 0; at < 10 * MINUTE_MS; at += 100) {
    await clock.pass(100)
    stranger.ask()
  }
  expect(waiting.length).toBeLessThan(100)
  known.ask()
  for (const answer of waiting.splice(0)) answer(Buffer.alloc(0))
  await clock.pass(0)
  expect(known.became).toEqual({ answered: 1, released: 0 })
  await clock.pass(MINUTE_MS)
  const before = stranger.became.released
  stranger.ask()
  expect([waiting.length, stranger.became.released]).toEqual([1, before])
})

test('routers, behind which all gateways are, ask as much as all together may', async () => {
  const clock = new SimulatedClock()
  const router = peer(deskOf(clock), { method: 'certificate', name: undefined })
  for (let each = 0; each < 400; each++) router.ask()
  await clock.pass(0)
  expect(router.became).toEqual({ answered: 400, released: 0 })
})
