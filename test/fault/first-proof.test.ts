import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { check } from './checker.ts'
import { Installation, TOPIC } from './installation.ts'

/** With HEADRACE_FAULTS=all, as all scenarios: twice as much of everything. */
const IS_FULL = process.env['HEADRACE_FAULTS'] === 'all'
const SOURCES = 20
const RECORDS = IS_FULL ? 6_000 : 4_000
const DRAIN_LIMIT_MS = 150_000

/** Kinds of fault, and how often each happens; their order and the time between them come from the seed. */
const FAULTS = IS_FULL
  ? ({ edgeKilled: 4, coreKilled: 4, coreFrozen: 2, brokerKilled: 2 } as const)
  : ({ edgeKilled: 3, coreKilled: 2, coreFrozen: 1, brokerKilled: 1 } as const)
type Fault = keyof typeof FAULTS

describe('edge, cores and broker, killed and frozen', () => {
  let kafka: KafkaCluster
  let installation: Installation
  const seed = seedOfRun('first proof')
  const random = new SeededRandom(seed)

  beforeAll(async () => {
    kafka = await KafkaCluster.start()
    const options = { sources: SOURCES, records: RECORDS, recordsPerSecond: 250, seed: seed % 1_000, cores: 2 }
    installation = await Installation.create({ ...options, brokers: kafka.addresses })
    for (const core of installation.cores) core.start()
    installation.edge.start()
    await until(
      'the first records are in the log',
      async () => (await installation.status())?.sources.some(source => source.settled > 0),
      60_000,
    )
  })

  afterAll(async () => {
    await installation?.end()
    await kafka?.stop()
  })

  const schedule = Object.entries(FAULTS).flatMap(([fault, times]) => Array<Fault>(times).fill(fault as Fault))
  for (let at = schedule.length - 1; at > 0; at--) {
    const other = random.between(0, at + 1)
    const [a, b] = [schedule[at], schedule[other]]
    if (a && b) [schedule[at], schedule[other]] = [b, a]
  }

  async function strike(fault: Fault): Promise<void> {
    const { edge, cores } = installation
    const core = random.pick(cores)
    switch (fault) {
      case 'edgeKilled':
        await edge.kill9()
        return edge.start()
      case 'coreKilled':
        await core.kill9()
        await pause(systemClock, random.between(0, 1_500))
        return core.start()
      case 'coreFrozen':
        // Longer than every time-out: the other core takes over, and the frozen one wakes up with what it held.
        core.freeze()
        await pause(systemClock, random.between(7_000, 12_000))
        return core.wake()
      case 'brokerKilled':
        await kafka.kill9(1)
        await pause(systemClock, random.between(0, 2_000))
        return kafka.restart(1)
    }
  }

  test('lose nothing, repeat nothing, and keep every record at the offset that is its number', async () => {
    console.log(`schedule: ${schedule.join(' ')}`)
    for (const fault of schedule) {
      await pause(systemClock, random.between(200, 2_500))
      await strike(fault)
    }
    await until('everything is in the log', () => installation.isDrained(), DRAIN_LIMIT_MS)
    const consumed = await consumeTopic(kafka.addresses, TOPIC)
    const verdict = check(await installation.expectation(), consumed)
    console.log(
      `${verdict.records} records read back: ${verdict.lost} lost, ${verdict.repeated} repeated, ${verdict.outOfOrder} out of order`,
    )
    expect(verdict).toMatchObject({
      records: SOURCES * RECORDS,
      lost: 0,
      repeated: 0,
      outOfOrder: 0,
      declaredLost: 0,
      findings: [],
    })
    expect(await installation.edge.stop()).toBe(0)
  }, 400_000)
})
