import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { check } from '../fault/checker.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { Network } from './network.ts'
import { Plant, TOPIC } from './plant.ts'

const GATEWAYS = ['plant-a-1', 'plant-a-2']
const SOURCES = 5
const RECORDS = 3_000
const DRAIN_LIMIT_MS = 150_000

const FAULTS = { networkKilled: 2, connectionsDropped: 2, coreKilled: 2, coreFrozen: 1, edgeKilled: 2 } as const
type Fault = keyof typeof FAULTS

describe('through a network of routers, to two cores', () => {
  let kafka: KafkaCluster
  let network: Network
  let plant: Plant
  const seed = seedOfRun('router mode')
  const random = new SeededRandom(seed)

  beforeAll(async () => {
    kafka = await KafkaCluster.start()
    network = new Network(await freePort(), random)
    await network.start()
    plant = new Plant({
      log: `{ kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }`,
      ingress: () => `{ connect: "${network.url}" }`,
      uplink: () => `{ url: "${network.url}", mode: router }`,
      cores: 2,
      gateways: GATEWAYS,
      sources: SOURCES,
      records: RECORDS,
      recordsPerSecond: 100,
      seed: seed % 1_000,
    })
  })

  afterAll(async () => {
    await plant?.end()
    await network?.kill()
    await kafka?.stop()
  })

  test('gateways without a core have no credit, and wait', async () => {
    for (const edge of plant.edges.values()) edge.start()
    await until('both wait at the address of openings', () => network.senders('headrace/open') === GATEWAYS.length, 60_000)
    for (const gateway of GATEWAYS) expect((await plant.edgeStatus(gateway))?.link.state).toBe('opening')
    expect(network.counts.passed).toBe(0)
    for (const core of plant.cores) core.start()
    await until('each has an ingress of its own', () => network.counts.passed > 100, 60_000)
    expect(network.receivers('headrace/ctl')).toBeGreaterThan(0)
  })

  test('split, aborted, released, modified, routers and cores killed and frozen: nothing lost, twice or out of order', async () => {
    network.mischief = { split: 0.1, aborted: 0.05, released: 0.03, modified: 0.03 }
    const schedule = random.shuffled(Object.entries(FAULTS).flatMap(([fault, times]) => Array<Fault>(times).fill(fault as Fault)))
    console.log(`schedule: ${schedule.join(' ')}`)
    for (const fault of schedule) {
      await pause(systemClock, random.between(500, 3_000))
      await strike(fault)
    }
    await until('all is settled', () => plant.isDrained(), DRAIN_LIMIT_MS)
    const verdict = check(await plant.expectation(), await consumeTopic(kafka.addresses, TOPIC))
    console.log(
      `${verdict.records} records: ${verdict.lost} lost, ${verdict.repeated} repeated, ${verdict.outOfOrder} out of order`,
    )
    console.log(`the network: ${JSON.stringify(network.counts)}`)
    const records = GATEWAYS.length * SOURCES * RECORDS
    expect(verdict).toMatchObject({ records, lost: 0, repeated: 0, outOfOrder: 0, declaredLost: 0, findings: [] })
    // It did what it is there for. Whether something was sent to where nobody was is a matter of the moment: routed.test.ts makes it happen.
    const { unreachable: _unreachable, ...counts } = network.counts
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0)
    for (const edge of plant.edges.values()) expect(await edge.stop()).toBe(0)
  }, 400_000)

  async function strike(fault: Fault): Promise<void> {
    const core = random.pick(plant.cores)
    const edge = plant.edge(random.pick(GATEWAYS))
    switch (fault) {
      case 'networkKilled':
        await network.kill()
        await pause(systemClock, random.between(0, 1_500))
        return network.start()
      case 'connectionsDropped':
        return network.dropConnections()
      case 'coreKilled':
        await core.kill9()
        await pause(systemClock, random.between(0, 1_500))
        return core.start()
      case 'coreFrozen':
        core.freeze()
        await pause(systemClock, random.between(6_000, 9_000))
        return core.wake()
      case 'edgeKilled':
        await edge.kill9()
        return edge.start()
    }
  }
})
