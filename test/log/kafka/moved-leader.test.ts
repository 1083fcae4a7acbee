import { expect, test } from 'vitest'
import type { produce } from '../../../src/log/kafka/apis.ts'
import { Appender, KafkaProof } from '../../../src/log/kafka/appender.ts'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import type { Appended, EndProof, Place } from '../../../src/log/log.ts'
import { cutBatch } from '../../support/batches.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

/** One fills a request by itself. */
const LARGE_BYTES = 2 ** 20
const PARTITIONS = 8

const tick = () => new Promise(resolve => setImmediate(() => setImmediate(() => setImmediate(resolve))))

/** A broker that answers nothing, with more waiting for it than it is sent at once. */
async function frozenBroker() {
  const clock = new SimulatedClock()
  let [node, generation] = [1, 1]
  const voided: (() => void)[] = []
  const leader = () => ({ node, address: `127.0.0.1:${node}`, epoch: node })
  const cluster = {
    leader,
    generation: () => generation,
    forgetLeader: () => {},
    refresh: async () => {},
    onProofsVoid: (call: () => void) => voided.push(call),
    send: (_node: number, _api: typeof produce, encode: () => readonly Buffer[]) => {
      encode()
      return new Promise(() => {})
    },
  } as unknown as KafkaCluster
  const appender = new Appender(cluster, clock)
  const answers = new Map<number, Appended>()
  const append = async (place: Place) => {
    const batch = {
      ...cutBatch(0, 1, { key: 'g/s', producerId: 1, epoch: 0, epochStart: 0 }),
      bytes: Buffer.alloc(LARGE_BYTES),
    }
    const proof = new KafkaProof(leader(), generation, clock.monotonicMs()) as EndProof
    answers.set(place.partition, await appender.append(place, batch, proof, 'gateway'))
  }
  for (let partition = 0; partition < PARTITIONS; partition++) void append({ topic: 'plant', partition })
  await tick()
  expect(answers.size).toBe(0)
  return {
    answers,
    change: async (what: 'leader' | 'connection') => {
      if (what === 'leader') node = 2
      else generation += 1
      for (const call of voided) call()
      await tick()
    },
  }
}

const VOID = { outcome: 'refused', reason: 'proof_void' }

test.each([
  ['is led by another by now', 'leader'],
  ['had its proof by a connection that is gone', 'connection'],
] as const)(
  'what waits for a broker and %s is given back at once: it waited until all before it had come to nothing, one after the other',
  async (_what, change) => {
    const { answers, change: changed } = await frozenBroker()
    await changed(change)
    // Three requests are under way: of these it is not known.
    expect([...answers]).toEqual([3, 4, 5, 6, 7].map(partition => [partition, { ...VOID, detail: expect.any(String) }]))
  },
)
