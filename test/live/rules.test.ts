import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import { Gate, type GateDeps, standingOf } from '../../src/ingress/gate.ts'
import { BATCHES_IN_FLIGHT_PER_SOURCE_MAX, Flight } from '../../src/link/flight.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { check, type Verdict } from '../fault/checker.ts'
import { CutsAnew, SendsBackwards } from '../link/broken-flights.ts'
import { cutBatch } from '../support/batches.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { until } from '../support/until.ts'

/*
  On a real broker: what each rule is there for. Every schedule is run twice, with the rule and without it, and the checker has to find nothing in the
  one and something in the other.
*/

let log: Log
const brokers = () => [inject('kafkaBootstrap')]
const stopping = new AbortController()

beforeAll(async () => {
  log = await openKafkaLog({ brokers: brokers(), client_id: 'rules' }, { clock: systemClock, log: silentLogger })
})
afterAll(async () => {
  stopping.abort()
  await log?.close()
})

/** A source on a partition of its own, and a gate before it. */
async function partition(name: string, changes: Partial<GateDeps> = {}) {
  const topic = `rules-${name}`
  const source = { gateway: 'gw-1', source: name }
  const key = `gw-1/${name}`
  const claim = await log.claim(source, topic)
  const shared = { log, clock: systemClock, logger: silentLogger, alarms: new Alarms(systemClock), signal: stopping.signal }
  const deadLetters = new DeadLetters({ ...shared, writer: { gateway: 'core-1', source: 'dead' } })
  const gate = new Gate({ ...shared, place: claim, source: key, gateway: 'gw-1', random: Math.random, deadLetters, ...changes })
  const outcomes: string[] = []
  const batch = (sequence: number, count: number) => cutBatch(sequence, count, { key, producerId: claim.producerId })
  const offer = (cut: CutBatch) => {
    const tell = (what: string) => () => void outcomes.push(what)
    gate.offer({
      batch: cut,
      crc: cut.crc,
      producerId: claim.producerId,
      epoch: 0,
      epochStart: 0,
      alive: true,
      intact: () => true,
      accept: tell('accepted'),
      release: tell('released'),
      reject: tell('rejected'),
      drop: tell('dropped'),
    })
  }
  const settled = (count: number) => until(`${count} outcomes`, () => outcomes.length >= count)
  return { topic, claim, batch, offer, outcomes, settled, verdict: () => verdictOf(topic, claim, key) }
}

async function verdictOf(topic: string, { partition: number }: Claim, key: string): Promise<Verdict> {
  const consumed = await consumeTopic(brokers(), topic)
  const payload = (record: number) => Buffer.from(`${key}#${record}`)
  return check({ sources: new Map([[key, { partition: number, records: consumed.length, payload }]]) }, consumed)
}

describe('only the next one, on a partition whose leader knows nothing of its producer', () => {
  /** The second batch overtakes the first: its link was quicker. */
  async function overtaken(name: string, changes: Partial<GateDeps>) {
    const { batch, offer, settled, outcomes, verdict } = await partition(name, changes)
    offer(batch(4, 4))
    await settled(1)
    offer(batch(0, 4))
    await settled(2)
    return { outcomes, verdict: await verdict() }
  }

  test('with the rule, what is ahead is released, and nothing lies in a wrong place', async () => {
    const { outcomes, verdict } = await overtaken('next', {})
    expect(outcomes).toEqual(['released', 'accepted'])
    expect(verdict).toMatchObject({ records: 4, findings: [] })
  })

  test('without it, the broker takes it at offset 0, and the checker finds it', async () => {
    const lax: GateDeps['standing'] = (batch, next) => (batch.sequence > next ? 'next' : standingOf(batch, next))
    const { verdict } = await overtaken('next-broken', { standing: lax })
    expect(verdict.findings).not.toEqual([])
  })
})

describe('cut once: a batch whose answer was lost after it was stored', () => {
  /** The link sends a batch, never hears of it, and sends what its flight gives it then. */
  async function answerLost(name: string, flight: Flight) {
    const { claim, batch, offer, settled, verdict } = await partition(name)
    const cut = batch(0, 5)
    flight.add(cut)
    flight.markSent(cut)
    const { proof } = await log.end(claim)
    await log.append(claim, cut, proof)
    flight.markReturned(cut)
    const again = flight.waiting()
    if (!again) throw new Error('nothing is sent again')
    offer(again)
    await settled(1)
    return verdict()
  }

  test('the same bytes again are known as what they are', async () => {
    expect(await answerLost('once', new Flight())).toMatchObject({ records: 5, repeated: 0, findings: [] })
  })

  test('cut anew, every record is there twice, and the checker finds it', async () => {
    const verdict = await answerLost('once-broken', new CutsAnew())
    expect(verdict.records).toBe(10)
    expect(verdict.findings).not.toEqual([])
  })
})

describe('order of resends: three batches came back, and the leader knows nothing of their producer', () => {
  /** The gate is one that lets everything pass, so that nothing else stands between the flight and the broker. */
  async function sentAgain(name: string, flight: Flight) {
    const { batch, offer, settled, verdict } = await partition(name, { standing: () => 'next' })
    const cut = [batch(0, 4), batch(4, 4), batch(8, 4)]
    for (const each of cut) flight.add(each)
    for (const each of cut) flight.markSent(each)
    for (const each of cut) flight.markReturned(each)
    for (let outcomes = 1; outcomes <= cut.length; outcomes++) {
      const next = flight.waiting()
      if (!next) throw new Error('nothing is sent again')
      flight.markSent(next)
      offer(next)
      await settled(outcomes)
    }
    return verdict()
  }

  test('in order of sequence, each lies at its number', async () => {
    expect(await sentAgain('order', new Flight())).toMatchObject({ records: 12, findings: [] })
  })

  test('backwards, and the checker finds it', async () => {
    expect((await sentAgain('order-broken', new SendsBackwards())).findings).not.toEqual([])
  })
})

describe('five in flight: the leader knows no more batches of a producer again', () => {
  /** So many batches are stored, and none of the answers arrives; each is sent again. */
  async function repeated(name: string, inFlight: number) {
    const { claim, batch } = await partition(name)
    const sent = Array.from({ length: inFlight }, (_, index) => batch(index * 2, 2))
    const { proof } = await log.end(claim)
    for (const each of sent) await log.append(claim, each, proof)
    const answers = []
    for (const each of sent) answers.push(await log.append(claim, each, proof))
    return answers.map(answer => answer.outcome)
  }

  test('five that are sent again are known as what they are', async () => {
    expect(await repeated('five', BATCHES_IN_FLIGHT_PER_SOURCE_MAX)).toEqual(Array(5).fill('repeated'))
  })

  test('of six, the first looks like a gap', async () => {
    expect((await repeated('six', BATCHES_IN_FLIGHT_PER_SOURCE_MAX + 1))[0]).toBe('refused')
  })
})

describe('a repeat is compared: a gateway exists twice, and both cut the same numbers', () => {
  /** The clone's record comes second; what the checker finds of the clone's, and what the clone was told. */
  async function cloned(name: string, changes: Partial<GateDeps>) {
    const { topic, claim, batch, offer, settled, outcomes } = await partition(name, changes)
    const key = `gw-1/${name}`
    offer(batch(0, 1))
    await settled(1)
    // Another ingress, whose proof of the end is from before.
    const other = await partition(name, changes)
    const salt = ' of the clone'
    other.offer(cutBatch(0, 1, { key, producerId: claim.producerId, salt }))
    await other.settled(1)
    const consumed = await consumeTopic(brokers(), topic)
    const payload = (record: number) => Buffer.from(`${key}#${record}${salt}`)
    const expectation = { sources: new Map([[key, { partition: claim.partition, records: 1, payload }]]) }
    return { outcomes: [...outcomes, ...other.outcomes], lost: check(expectation, consumed).lost }
  }

  test('with the rule, the second is not told that its record is there', async () => {
    expect((await cloned('twice', {})).outcomes).toEqual(['accepted', 'rejected'])
  })

  test('without it, it is told so, and its record is lost', async () => {
    const { outcomes, lost } = await cloned('twice-broken', { look: async () => 'same' })
    expect([outcomes, lost]).toEqual([['accepted', 'accepted'], 1])
  })
})
