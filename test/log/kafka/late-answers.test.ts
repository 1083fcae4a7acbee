import { expect, test } from 'vitest'
import { Appender } from '../../../src/log/kafka/appender.ts'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { PartitionEnds } from '../../../src/log/kafka/partition-ends.ts'
import type { Appended, EndProof } from '../../../src/log/log.ts'
import { cutBatch } from '../../support/batches.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { ONE_LEADER } from './one-leader.ts'

const PLACE = { topic: 'plant', partition: 3 }
/** Longer than a proof lasts. */
const STOPPED_MS = 6_000

/** A broker that answers at once, and a process that reads the answer when it is woken. */
function stoppedNowAndThen() {
  const clock = new SimulatedClock()
  let produced = 0
  let stoppedMs = 0
  const read = async <T>(answer: T): Promise<T> => {
    await clock.pass(stoppedMs)
    return answer
  }
  const ends = [{ ...PLACE, error: 0, offset: 0 }]
  const cluster = {
    ...ONE_LEADER,
    request: async () => ends,
    send: (_node: number, { name }: { name: string }, encode: () => unknown) => {
      encode()
      if (name !== 'Produce') return read(ends)
      return read([{ ...PLACE, error: 0, baseOffset: produced++, isRepeat: false }])
    },
  } as unknown as KafkaCluster
  const appender = new Appender(cluster, clock)
  const partitionEnds = new PartitionEnds(cluster, clock)
  /** Does something while the process is stopped for so long, from the writing of the request on. */
  const stoppedFor = async <T>(ms: number, act: () => Promise<T>): Promise<T> => {
    stoppedMs = ms
    const done = await act()
    stoppedMs = 0
    return done
  }
  const end = () => partitionEnds.of(PLACE)
  const append = (sequence: number, proof: EndProof): Promise<Appended> =>
    appender.append(PLACE, cutBatch(sequence, 1), proof, 'gw-1')
  return { stoppedFor, end, append }
}

test('an end whose answer lay unread while the core was stopped was taken for the end of now', async () => {
  const { stoppedFor, end, append } = stoppedNowAndThen()
  const { proof } = await stoppedFor(STOPPED_MS, end)
  expect(await append(0, proof)).toMatchObject({ outcome: 'refused', reason: 'proof_void' })
})

test('so was what an append proves: the next batch went to a partition in which another core had gone on', async () => {
  const { stoppedFor, end, append } = stoppedNowAndThen()
  const { proof } = await end()
  expect(await stoppedFor(STOPPED_MS, () => append(0, proof))).toMatchObject({ outcome: 'appended', offset: 0 })
  expect(await append(1, proof)).toMatchObject({ outcome: 'refused', reason: 'proof_void' })
})

test('an answer that only took its time proves what it says', async () => {
  const { stoppedFor, end, append } = stoppedNowAndThen()
  const { proof } = await stoppedFor(STOPPED_MS / 2, end)
  expect(await stoppedFor(STOPPED_MS / 2, () => append(0, proof))).toMatchObject({ outcome: 'appended' })
  expect(await append(1, proof)).toMatchObject({ outcome: 'appended', offset: 1 })
})
