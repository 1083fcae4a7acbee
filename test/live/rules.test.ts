import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import { Gate, type GateDeps, standingOf } from '../../src/ingress/gate.ts'
import { Flight } from '../../src/link/flight.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { check, type Verdict } from '../fault/checker.ts'
import { CutsAnew } from '../link/broken-flights.ts'
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
  const gate = new Gate({ ...shared, place: claim, source: key, random: Math.random, deadLetters, ...changes })
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
