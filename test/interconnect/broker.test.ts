import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { check } from '../fault/checker.ts'
import { Artemis, PASSWORD } from '../support/artemis/artemis.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { Plant, TOPIC } from './plant.ts'

const GATEWAY = 'plant-a-1'
const SOURCES = 10
const RECORDS = 3_600
const DRAIN_LIMIT_MS = 120_000

/** How often each is killed with SIGKILL; order and pauses come from the seed. */
const KILLS = { artemis: 1, edge: 3, core: 3 } as const

describe('through Artemis, by the configuration that is shipped', () => {
  let kafka: KafkaCluster
  let artemis: Artemis
  let plant: Plant
  const seed = seedOfRun('broker mode')
  const random = new SeededRandom(seed)

  beforeAll(async () => {
    ;[kafka, artemis] = await Promise.all([KafkaCluster.start(), Artemis.create()])
    await artemis.start()
    const login = (username: string) => `sasl: { username: ${username}, password_file: password }`
    plant = new Plant({
      log: `{ kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }`,
      ingress: () => `{ connect: "${artemis.url}", mode: broker, ${login('headrace-core')} }`,
      uplink: gateway => `{ url: "${artemis.url}", mode: broker, ${login(gateway)} }`,
      cores: 2,
      gateways: [GATEWAY],
      sources: SOURCES,
      records: RECORDS,
      recordsPerSecond: 120,
      seed: seed % 1_000,
    })
    writeFileSync(join(plant.folder, 'password'), `${PASSWORD}\n`)
  })

  afterAll(async () => {
    await plant?.end()
    await artemis?.stop()
    await kafka?.stop()
  })

  const settled = async () => (await plant.edgeStatus(GATEWAY))?.sources.reduce((sum, source) => sum + source.settled, 0) ?? 0

  test('a gateway is opened by the core, and goes on with the core away', async () => {
    for (const core of plant.cores) core.start()
    plant.edge(GATEWAY).start()
    await until('the broker takes the first batches', async () => (await settled()) > 0, 60_000)
    for (const core of plant.cores) await core.kill9()
    const before = await settled()
    await plant.edge(GATEWAY).kill9()
    plant.edge(GATEWAY).start()
    await until('it sends on without a core, after a restart', async () => (await settled()) > before, 60_000)
    for (const core of plant.cores) core.start()
  })

  test('kill -9 of broker, edge and cores: nothing lost, nothing twice, nothing out of order', async () => {
    const victims = random.shuffled(Object.entries(KILLS).flatMap(([victim, times]) => Array<string>(times).fill(victim)))
    console.log(`schedule: ${victims.join(' ')}`)
    for (const victim of victims) {
      await pause(systemClock, random.between(200, 2_000))
      const process = victim === 'edge' ? plant.edge(GATEWAY) : random.pick(plant.cores)
      if (victim === 'artemis') {
        await artemis.kill9()
        await artemis.start()
      } else {
        await process.kill9()
        process.start()
      }
    }
    await until('the broker has everything', () => plant.isDrained(), DRAIN_LIMIT_MS)
    const expectation = await plant.expectation()
    const verdict = await until(
      'everything is in the log',
      async () => {
        const found = check(expectation, await consumeTopic(kafka.addresses, TOPIC))
        return found.records >= SOURCES * RECORDS ? found : undefined
      },
      DRAIN_LIMIT_MS,
    )
    console.log(
      `${verdict.records} records: ${verdict.lost} lost, ${verdict.repeated} repeated, ${verdict.outOfOrder} out of order`,
    )
    expect(verdict).toMatchObject({
      records: SOURCES * RECORDS,
      lost: 0,
      repeated: 0,
      outOfOrder: 0,
      declaredLost: 0,
      findings: [],
    })
    expect(await plant.edge(GATEWAY).stop()).toBe(0)
  }, 400_000)
})
