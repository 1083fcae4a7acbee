import { describe, expect, test } from 'vitest'
import { DEAD_LETTER_TOPIC, DeadLetters } from '../../src/ingress/dead-letters.ts'
import { type Arrival, Gate, type GateDeps, standingOf } from '../../src/ingress/gate.ts'
import type { Claim } from '../../src/log/log.ts'
import { parseGap } from '../../src/record/gap.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { cutBatch } from '../support/batches.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const SOURCE = { gateway: 'gw-1', source: 'source-1' }

/** A gate before the model of a log, and what became of each arrival. */
async function bench(changes: Partial<GateDeps> = {}) {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const alarms = new Alarms(clock)
  const made = log.claim(SOURCE, 'topic-1')
  await clock.pass(10)
  const claim = await made
  const { signal } = new AbortController()
  const deadLetters = new DeadLetters({
    log,
    writer: { gateway: 'core-1', source: 'dead' },
    clock,
    logger: silentLogger,
    alarms,
    signal,
  })
  const place = { topic: claim.topic, partition: claim.partition }
  const random = () => 0.5
  const deps = {
    place,
    source: 'gw-1/source-1',
    gateway: 'gw-1',
    log,
    clock,
    random,
    logger: silentLogger,
    alarms,
    deadLetters,
    signal,
  }
  const gate = new Gate({ ...deps, ...changes })
  const outcomes: string[] = []
  const offer = (batch: ReturnType<typeof cutBatch>, options: { session?: { alive: boolean }; intact?: boolean } = {}) =>
    gate.offer(arrivalOf(batch, claim, outcomes, options.session ?? { alive: true }, options.intact ?? true))
  const values = () => log.records(place).map(({ value }) => value?.toString() ?? null)
  return { clock, log, alarms, claim, place, gate, outcomes, offer, values }
}

function arrivalOf(
  batch: ReturnType<typeof cutBatch>,
  claim: Claim,
  outcomes: string[],
  session: { alive: boolean },
  intact: boolean,
): Arrival {
  const tell = (what: string) => () => void outcomes.push(`${batch.sequence} ${what}`)
  return {
    batch,
    crc: batch.crc,
    producerId: claim.producerId,
    epoch: batch.epoch,
    epochStart: claim.epochStart,
    get alive() {
      return session.alive
    },
    intact: () => intact,
    accept: tell('accepted'),
    release: tell('released'),
    reject: error => void outcomes.push(`${batch.sequence} rejected ${error.condition}`),
    drop: tell('dropped'),
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => `gw-1/source-1#${index}`)

describe('how a batch stands to the next number', () => {
  test.each([
    [0, 5, 10, 'stored'],
    [5, 5, 10, 'stored'],
    [6, 5, 10, 'straddles'],
    [9, 2, 10, 'straddles'],
    [10, 1, 10, 'next'],
    [11, 1, 10, 'ahead'],
  ] as const)('%i and %i more, next %i: %s', (sequence, count, next, expected) => {
    expect(standingOf(cutBatch(sequence, count), next)).toBe(expected)
  })
})

describe('a gate', () => {
  test('passes batches in order, one at a time, each at its own offset', async () => {
    const { clock, offer, outcomes, values } = await bench()
    for (const sequence of [0, 2, 4, 6, 8]) offer(cutBatch(sequence, 2))
    await clock.pass(100)
    expect(outcomes).toEqual([0, 2, 4, 6, 8].map(sequence => `${sequence} accepted`))
    expect(values()).toEqual(upTo(10))
  })

  test('accepts what the log has already without appending it', async () => {
    const { clock, log, offer, outcomes } = await bench()
    offer(cutBatch(0, 2))
    await clock.pass(50)
    offer(cutBatch(0, 2))
    await clock.pass(50)
    expect(outcomes).toEqual(['0 accepted', '0 accepted'])
    expect(log.appends).toBe(1)
  })

  test('releases what is ahead, after it has read the end again', async () => {
    const { clock, offer, outcomes, values } = await bench()
    offer(cutBatch(2, 2))
    await clock.pass(50)
    expect(outcomes).toEqual(['2 released'])
    expect(values()).toEqual([])
  })

  test('lets through what is ahead of what it knew, where another ingress has appended what lies between', async () => {
    const { clock, log, place, offer, outcomes } = await bench()
    offer(cutBatch(0, 2))
    await clock.pass(50)
    log.intrude(place, cutBatch(2, 2).bytes)
    offer(cutBatch(4, 2))
    await clock.pass(50)
    expect(outcomes).toEqual(['0 accepted', '4 accepted'])
  })

  test('freezes on a batch that straddles the end, and lets nothing of that epoch pass any more', async () => {
    const { clock, log, alarms, place, offer, outcomes } = await bench()
    log.intrude(place, cutBatch(0, 3).bytes)
    offer(cutBatch(2, 2))
    offer(cutBatch(4, 2))
    await clock.pass(50)
    offer(cutBatch(6, 2))
    expect(outcomes).toEqual(['2 rejected headrace:freeze', '4 rejected headrace:freeze', '6 rejected headrace:freeze'])
    expect(alarms.list()).toMatchObject([{ code: 'source_frozen', source: 'gw-1/source-1' }])
    offer(cutBatch(3, 1, { epoch: 1, epochStart: 3 }))
    await clock.pass(50)
    expect(outcomes.at(-1)).toBe('3 accepted')
    expect(alarms.list()).toEqual([])
  })

  test('freezes where the log answers with another offset, and never sends that batch again', async () => {
    const { clock, log, place, offer, outcomes } = await bench()
    let once = true
    log.fault = () => {
      // Between the reading of the end and the append somebody else appends, under a producer of its own.
      if (once) log.intrude(place, cutBatch(0, 7, { producerId: 5_000 }).bytes)
      once = false
      return undefined
    }
    offer(cutBatch(0, 2))
    await clock.pass(50)
    offer(cutBatch(0, 2))
    await clock.pass(50)
    expect(outcomes).toEqual(['0 rejected headrace:freeze', '0 rejected headrace:freeze'])
    expect(log.appends).toBe(1)
  })

  test('a batch sent again after its answer was lost is stored once', async () => {
    const { clock, log, offer, outcomes, values } = await bench()
    log.fault = (_place, batch) => (batch.sequence === 2 && log.appends === 2 ? 'lost after' : undefined)
    for (const sequence of [0, 2, 4]) offer(cutBatch(sequence, 2))
    await clock.pass(20)
    expect(outcomes).toEqual(['0 accepted', '2 released', '4 released'])
    for (const sequence of [2, 4]) offer(cutBatch(sequence, 2))
    await clock.pass(500)
    expect(outcomes.slice(3)).toEqual(['2 accepted', '4 accepted'])
    expect(values()).toEqual(upTo(6))
  })

  test('a batch sent again after its answer was lost is stored once, even where the leader then forgot who wrote it', async () => {
    const { clock, log, place, offer, outcomes, values } = await bench()
    log.fault = () => {
      if (log.appends > 1) return undefined
      queueMicrotask(() => log.forgetProducers(place))
      return 'lost after'
    }
    offer(cutBatch(0, 2))
    await clock.pass(20)
    expect(outcomes).toEqual(['0 released'])
    offer(cutBatch(0, 2))
    offer(cutBatch(2, 2))
    await clock.pass(500)
    expect(outcomes.slice(1)).toEqual(['0 accepted', '2 accepted'])
    expect(values()).toEqual(upTo(4))
  })

  test("a gateway that exists twice: the records of one are not accepted because the other's lie at their numbers", async () => {
    for (const clone of [cutBatch(2, 2, { salt: ' of the clone' }), cutBatch(2, 1, { salt: ' of the clone' })]) {
      const { clock, log, place, offer, outcomes } = await bench()
      offer(cutBatch(0, 2))
      await clock.pass(50)
      // Another ingress has let the other one's batch pass, within the time in which this one's proof is good.
      log.intrude(place, clone.bytes)
      offer(cutBatch(2, clone.count))
      if (clone.count === 1) offer(cutBatch(3, 1))
      await clock.pass(100)
      expect(outcomes).toEqual([
        '0 accepted',
        '2 rejected headrace:freeze',
        ...(clone.count === 1 ? ['3 rejected headrace:freeze'] : []),
      ])
    }
  })

  test('what the end passed over is looked at: another batch there freezes, the same one is accepted, a trimmed one too', async () => {
    const { clock, log, place, offer, outcomes } = await bench()
    for (const sequence of [0, 2, 4]) offer(cutBatch(sequence, 2))
    await clock.pass(50)
    offer(cutBatch(2, 2))
    await clock.pass(50)
    await log.trim(place, 4)
    offer(cutBatch(0, 2))
    await clock.pass(50)
    expect(outcomes.slice(3)).toEqual(['2 accepted', '0 accepted'])
    offer(cutBatch(4, 2, { salt: ' of another' }))
    await clock.pass(50)
    expect(outcomes.at(-1)).toBe('4 rejected headrace:freeze')
  })

  test('does not pass on what waits from a session that is over', async () => {
    const { clock, offer, outcomes, values } = await bench()
    const session = { alive: true }
    offer(cutBatch(0, 2), { session })
    offer(cutBatch(2, 2), { session })
    session.alive = false
    await clock.pass(50)
    expect(outcomes).toEqual(['0 dropped', '2 dropped'])
    expect(values()).toEqual([])
  })

  test('reads the end anew where its proof is void, so that a stale one can do no harm', async () => {
    const { clock, log, place, offer, outcomes, values } = await bench()
    offer(cutBatch(0, 2))
    await clock.pass(50)
    // The ingress was frozen; meanwhile another one went on, and the broker forgot the producer.
    log.intrude(place, cutBatch(2, 2).bytes)
    log.forgetProducers(place)
    await clock.pass(10_000)
    offer(cutBatch(2, 2))
    offer(cutBatch(4, 2))
    await clock.pass(50)
    expect(outcomes.slice(1)).toEqual(['2 accepted', '4 accepted'])
    expect(values()).toEqual(upTo(6))
  })

  test('goes by the end where the log refuses a number, and freezes when that happens twice at one end', async () => {
    const { clock, log, place, offer, outcomes } = await bench()
    // A producer state from elsewhere: the leader takes no number but 100.
    log.intrude(place, cutBatch(100, 2).bytes)
    offer(cutBatch(2, 2))
    await clock.pass(100)
    expect(log.appends).toBe(2)
    expect(outcomes).toEqual(['2 rejected headrace:freeze'])
  })

  test('releases everything that waits where the log is away, and goes on when it is back', async () => {
    const { clock, log, offer, outcomes } = await bench()
    log.away = true
    for (const sequence of [0, 2]) offer(cutBatch(sequence, 2))
    await clock.pass(50)
    expect(outcomes).toEqual(['0 released', '2 released'])
    log.away = false
    for (const sequence of [0, 2]) offer(cutBatch(sequence, 2))
    await clock.pass(500)
    expect(outcomes.slice(2)).toEqual(['0 accepted', '2 accepted'])
  })

  test('takes no more than it can hold', async () => {
    const { clock, log, offer, outcomes } = await bench()
    log.latencyMs = 100
    for (let sequence = 0; sequence < 100; sequence++) offer(cutBatch(sequence, 1))
    expect(outcomes.length).toBeGreaterThan(60)
    expect(outcomes.every(outcome => outcome.endsWith('released'))).toBe(true)
    await clock.pass(10)
  })
})

describe('a batch that the log refuses', () => {
  test('passes when the log was wrong for a moment', async () => {
    const { clock, log, offer, outcomes, alarms } = await bench()
    log.fault = () => (log.appends < 3 ? 'corrupt' : undefined)
    offer(cutBatch(0, 2))
    await clock.pass(30_000)
    expect(outcomes).toEqual([])
    await clock.pass(31_000)
    expect(outcomes).toEqual(['0 accepted'])
    expect(alarms.list()).toEqual([])
  })

  test('goes whole to the dead letters after three tries over a minute, and a placeholder takes its numbers', async () => {
    const { clock, log, offer, outcomes, alarms, place } = await bench()
    const bad = cutBatch(0, 3)
    log.fault = (at, batch) => (at.topic === 'topic-1' && batch.bytes.equals(bad.bytes) ? 'too_large' : undefined)
    offer(bad)
    offer(cutBatch(3, 2))
    await clock.pass(59_000)
    expect(outcomes).toEqual([])
    await clock.pass(2_000)
    expect(outcomes).toEqual(['0 accepted', '3 accepted'])
    const records = log.records(place)
    expect(records.map(({ value }) => value?.toString() ?? null)).toEqual([
      null,
      null,
      null,
      'gw-1/source-1#3',
      'gw-1/source-1#4',
    ])
    expect(parseGap(records[0]?.headers.find(({ key }) => key === 'gap')?.value ?? Buffer.alloc(0))).toMatchObject({
      records: 3,
      reason: 'dead_letter',
    })
    const dead = log.records({ topic: DEAD_LETTER_TOPIC, partition: 0 })
    expect(Buffer.concat(dead.map(({ value }) => value ?? Buffer.alloc(0)))).toEqual(bad.bytes)
    expect(alarms.list()).toMatchObject([{ code: 'dead_letter', source: 'gw-1/source-1' }])
  })

  test('keeps its count of tries over sessions that come and go', async () => {
    const { clock, log, offer, outcomes } = await bench()
    const bad = cutBatch(0, 3)
    log.fault = (_place, batch) => (batch.bytes.equals(bad.bytes) ? 'rejected' : undefined)
    for (let lives = 0; lives < 20; lives++) {
      const session = { alive: true }
      offer(bad, { session })
      await clock.pass(4_000)
      session.alive = false
    }
    offer(bad)
    await clock.pass(1_000)
    expect(outcomes).toContain('0 accepted')
  })

  test('is asked for again where its bytes changed in memory', async () => {
    const { clock, log, offer, outcomes } = await bench()
    log.fault = () => 'corrupt'
    offer(cutBatch(0, 3), { intact: false })
    await clock.pass(100)
    expect(outcomes).toEqual(['0 released'])
  })

  test('in pieces where it is larger than a piece may be', async () => {
    const { clock, log, offer, outcomes } = await bench()
    const bad = cutBatch(0, 1, { salt: 'x'.repeat(1_300_000) })
    log.fault = (_place, batch) => (batch.bytes.length > 1_000_000 ? 'too_large' : undefined)
    offer(bad)
    await clock.pass(61_000)
    expect(outcomes).toEqual(['0 accepted'])
    const dead = log.records({ topic: DEAD_LETTER_TOPIC, partition: 0 })
    expect(dead).toHaveLength(3)
    expect(bad.bytes.equals(Buffer.concat(dead.map(({ value }) => value ?? Buffer.alloc(0))))).toBe(true)
  })

  test('is held, not buried, where too many were refused within an hour', async () => {
    const { clock, log, offer, outcomes, alarms, values } = await bench()
    log.fault = ({ topic }, batch) => (topic === 'topic-1' && batch.bytes.length > 1_000 ? 'rejected' : undefined)
    const sizes = Array.from({ length: 21 }, (_, index) => index)
    for (const sequence of sizes) {
      offer(cutBatch(sequence, 1, { salt: 'x'.repeat(2_000) }))
      await clock.pass(61_000)
    }
    expect(outcomes.filter(outcome => outcome.endsWith('accepted'))).toHaveLength(20)
    expect(values().length).toBe(20)
    expect(alarms.list().map(({ code }) => code)).toContain('dead_letters_held')
  })
})

describe('negative control: a gate without the rule of the next number', () => {
  const lax: GateDeps['standing'] = (batch, next) => (batch.sequence >= next ? 'next' : standingOf(batch, next))

  /** A hole, on a partition whose leader knows nothing of the producer. */
  async function hole(standing?: GateDeps['standing']) {
    const { clock, log, place, offer, outcomes, values } = await bench(standing ? { standing } : {})
    offer(cutBatch(0, 2))
    await clock.pass(50)
    log.forgetProducers(place)
    offer(cutBatch(4, 2))
    await clock.pass(50)
    return { outcomes, values: values() }
  }

  test('stores a batch in the wrong place, and the invariant says so', async () => {
    const { values } = await hole(lax)
    expect(values).not.toEqual(upTo(values.length))
  })

  test('which the rule itself does not', async () => {
    const { values, outcomes } = await hole()
    expect(values).toEqual(upTo(2))
    expect(outcomes.at(-1)).toBe('4 released')
  })
})
