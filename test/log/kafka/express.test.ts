import { describe, expect, test } from 'vitest'
import type { produce } from '../../../src/log/kafka/apis.ts'
import { Appender, KafkaProof } from '../../../src/log/kafka/appender.ts'
import type { KafkaCluster, Lane } from '../../../src/log/kafka/cluster.ts'
import type { Appended, EndProof } from '../../../src/log/log.ts'
import { cutBatch } from '../../support/batches.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { LEADER, ONE_LEADER } from './one-leader.ts'

const LARGE = 400_000

/** A broker that answers when it is told to. */
function broker() {
  const clock = new SimulatedClock()
  const under: { readonly lane: Lane; readonly answer: () => void; readonly lose: () => void }[] = []
  const cluster = {
    ...ONE_LEADER,
    send: (_node: number, _api: typeof produce, encode: () => readonly Buffer[], _waitMs: number, lane: Lane) =>
      new Promise((resolve, reject) => {
        encode()
        const lose = () => reject(new Error('the connection went'))
        under.push({ lane, answer: () => resolve(sent.shift()), lose })
      }),
  } as unknown as KafkaCluster
  const appender = new Appender(cluster, clock)
  const sent: unknown[] = []
  const append = (partition: number, bytes: number): Promise<Appended> => {
    const batch = {
      ...cutBatch(0, 1, { key: 'g/s', producerId: 1, epoch: 0, epochStart: 0, salt: '' }),
      bytes: Buffer.alloc(bytes),
    }
    const proof = new KafkaProof(LEADER, 1, clock.monotonicMs()) as EndProof
    return appender.append({ topic: 'plant', partition }, batch, proof, `gateway-${partition}`)
  }
  const lanes = () => under.map(({ lane }) => lane).join(' ')
  const tick = () => new Promise(resolve => setImmediate(() => setImmediate(() => setImmediate(resolve))))
  const answer = async (at: number, ...partitions: number[]) => {
    sent.push(partitions.map(partition => ({ topic: 'plant', partition, error: 0, baseOffset: 0, isRepeat: false })))
    under.splice(at, 1)[0]?.answer()
    await tick()
  }
  return { append, lanes, tick, answer, under }
}

describe('while large requests lie on the connection to a broker', () => {
  test('a small batch goes past them by another, one request at a time', async () => {
    const { append, lanes, tick, answer } = broker()
    void append(0, LARGE)
    await tick()
    const small = append(1, 500)
    await tick()
    expect(lanes()).toBe('common express')
    void append(2, 500)
    await tick()
    // The express lane is taken, the common one is not full.
    expect(lanes()).toBe('common express common')
    await answer(1, 1)
    expect(await small).toMatchObject({ outcome: 'appended' })
  })

  test('a large one waits for its turn, and all of it goes on afterwards', async () => {
    const { append, lanes, tick, answer } = broker()
    for (let partition = 0; partition < 3; partition++) {
      void append(partition, LARGE)
      await tick()
    }
    const last = append(3, LARGE)
    await tick()
    expect(lanes()).toBe('common common common')
    await answer(0, 0)
    expect(lanes()).toBe('common common common')
    await answer(2, 3)
    expect(await last).toMatchObject({ outcome: 'appended' })
  })

  test('none goes past a batch of its own partition that is under way', async () => {
    const { append, lanes, tick, answer } = broker()
    for (let partition = 0; partition < 3; partition++) {
      void append(partition, LARGE)
      await tick()
    }
    const next = append(0, 500)
    await tick()
    expect(lanes()).toBe('common common common')
    await answer(0, 0)
    expect(lanes()).toBe('common common express')
    await answer(2, 0)
    expect(await next).toMatchObject({ outcome: 'appended' })
  })

  test('what was under way there when the connection went is not known to be stored', async () => {
    const { append, tick, under, lanes } = broker()
    void append(0, LARGE)
    await tick()
    const small = append(1, 500)
    await tick()
    under[1]?.lose()
    expect(await small).toMatchObject({ outcome: 'unavailable' })
    // It may be that the broker takes no second connection: the next one does not try.
    await tick()
    void append(1, 500)
    await tick()
    expect(lanes()).toBe('common express common')
  })
})

test('without anything large under way all go by one connection', async () => {
  const { append, lanes, tick } = broker()
  for (let partition = 0; partition < 3; partition++) {
    void append(partition, 500)
    await tick()
  }
  expect(lanes()).toBe('common common common')
})
