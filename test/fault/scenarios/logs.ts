import { cpSync, rmSync } from 'node:fs'
import { expect } from 'vitest'
import { plainKafka } from '../../support/kafka/consume.ts'
import { until } from '../../support/until.ts'
import { clockOffBy } from '../faults/clocks.ts'
import { defineScenario, type Setting } from '../scenario.ts'

/** What a topic of the pipeline has to be set to, where a test makes it before the core does. */
export const TOPIC_SETTINGS = Object.entries({
  'retention.ms': '-1',
  'message.timestamp.after.max.ms': '9223372036854775807',
}).map(([name, value]) => ({ name, value }))

export const logRestored = defineScenario({
  id: 'log-restored',
  title: 'Kafka is restored from an older copy of its disk: the gateway sends again what is missing, and nothing else',
  seconds: 50,
  cluster: {},
  async strike({ plant, kafka, step, moves }) {
    const copy = plant.path('kafka-copy')
    await moves()
    await step('a copy of the broker’s disk is made', async () => {
      await kafka.kill9(1)
      cpSync(kafka.dataDir(1), copy, { recursive: true })
      await kafka.restart(1)
    })
    await moves(200)
    await step('the broker’s disk is the copy again', async () => {
      await kafka.kill9(1)
      rmSync(kafka.dataDir(1), { recursive: true })
      cpSync(copy, kafka.dataDir(1), { recursive: true })
      await kafka.restart(1)
    })
    await moves()
  },
})

export const uncleanElection = defineScenario({
  id: 'unclean-election',
  title: 'a replica that is behind becomes leader: what it lost is sent again',
  seconds: 100,
  fullOnly: true,
  cluster: { brokers: 3 },
  plant: async ({ brokers, name }) => {
    const admin = plainKafka(brokers).admin()
    await admin.connect()
    const partitions = Array.from({ length: 8 }, (_, partition) => ({ partition, replicas: [1, 2] }))
    const settings = [
      ...TOPIC_SETTINGS,
      { name: 'min.insync.replicas', value: '1' },
      { name: 'unclean.leader.election.enable', value: 'true' },
    ]
    await admin.createTopics({ topics: [{ topic: name, replicaAssignment: partitions, configEntries: settings }] })
    await admin.disconnect()
    return { cores: 1, devices: 1, counters: 2, counted: 2_500 }
  },
  async strike({ kafka, step, moves }) {
    await moves()
    await step('kill -9 of broker 2: broker 1 goes on alone', () => kafka.kill9(2))
    await moves(200)
    await step('kill -9 of broker 1, and broker 2 starts: it leads, without what broker 1 had alone', async () => {
      await kafka.kill9(1)
      await kafka.restart(2)
    })
    await moves()
    await step('broker 1 comes back', () => kafka.restart(1))
    await moves()
  },
})

export const brokerKilled = defineScenario({
  id: 'broker-killed',
  title: 'the only broker is killed again and again',
  seconds: 60,
  fullOnly: true,
  cluster: {},
  plant: { cores: 2 },
  async strike({ kafka, random, step, moves, lasts }) {
    for (let kill = 1; kill <= 3; kill++) {
      await moves()
      await lasts(random.between(0, 500))
      await step(`kill -9 of the broker, ${kill}`, () => kafka.kill9(1))
      await lasts(random.between(0, 3_000))
      await kafka.restart(1)
    }
    await moves()
  },
})

export const rollingKills = defineScenario({
  id: 'rolling-kills',
  title: 'three brokers (RF 3, min ISR 2) are killed one after another, and leaders change',
  seconds: 120,
  fullOnly: true,
  cluster: { brokers: 3 },
  plant: { cores: 2, counted: 3_000 },
  async strike({ plant, kafka, random, step, moves, lasts }) {
    await moves()
    for (const node of [1, 2, 3]) {
      await step(`kill -9 of broker ${node}`, () => kafka.kill9(node))
      await lasts(random.between(0, 2_000))
      await kafka.restart(node)
      await until('all replicas are in sync', async () => (await outOfSync(kafka.addresses, plant.topic)) === 0, 60_000)
      await moves()
      const election = await kafka.tool('org.apache.kafka.tools.LeaderElectionCommand', [
        ...['--bootstrap-server', kafka.bootstrap, '--election-type', 'preferred', '--all-topic-partitions'],
      ])
      await step(`leaders go back to where they belong (${election.code})`)
      await moves()
    }
  },
})

async function outOfSync(brokers: readonly string[], topic: string): Promise<number> {
  const admin = plainKafka(brokers).admin()
  try {
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.flatMap(each => each.partitions).filter(({ isr, replicas }) => isr.length < replicas.length).length
  } catch {
    return -1
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

/** Longer than every time-out there is but those of people, and than a controller waits for a broker. */
const BROKER_FROZEN_MS = 35_000

export const brokerFrozen = defineScenario({
  id: 'broker-frozen',
  title:
    'the only broker is frozen for longer than every time-out, a core is killed meanwhile, and it wakes with what lay before it',
  seconds: 110,
  fullOnly: true,
  cluster: {},
  plant: { cores: 2, counted: 3_000 },
  async strike({ plant, kafka, random, step, moves, lasts }) {
    await moves()
    await step('the broker is frozen', () => kafka.stopped(1))
    await lasts(BROKER_FROZEN_MS)
    await step('it is woken', () => kafka.cont(1))
    await moves()
    await step('it is frozen again', () => kafka.stopped(1))
    await lasts(random.between(2_000, 9_000))
    const core = await plant.coreInUse()
    await step(`kill -9 of ${core.name}`, () => core.kill9())
    core.start()
    await lasts(random.between(2_000, 9_000))
    await step('the broker is woken', () => kafka.cont(1))
    await moves()
  },
})

export const leadersFrozen = defineScenario({
  id: 'leaders-frozen',
  title: 'each of three brokers (RF 3, min ISR 2) is frozen until others lead, and wakes as one that takes itself for the leader',
  seconds: 200,
  fullOnly: true,
  cluster: { brokers: 3 },
  plant: { cores: 2, counted: 3_000 },
  async strike({ plant, kafka, step, moves, lasts }) {
    for (const node of [1, 2, 3]) {
      await moves()
      await step(`broker ${node} is frozen`, () => kafka.stopped(node))
      // The others lead by then, and records go on.
      await moves()
      await lasts(10_000)
      await step(`broker ${node} is woken`, () => kafka.cont(node))
      await until('all replicas are in sync', async () => (await outOfSync(kafka.addresses, plant.topic)) === 0, 60_000)
    }
    await moves()
  },
})

const TEN_DAYS_MS = 10 * 86_400_000

export const producersForgotten = defineScenario({
  id: 'producers-forgotten',
  title: 'the broker forgets its producers while an ingress is frozen, and records are days old',
  seconds: 60,
  fullOnly: true,
  cluster: { settings: { 'producer.id.expiration.ms': 2_000, 'producer.id.expiration.check.interval.ms': 500 } },
  plant: { cores: 2, edge: clockOffBy(-TEN_DAYS_MS) },
  async strike({ plant, random, step, moves, lasts }) {
    for (let time = 1; time <= 3; time++) {
      await moves()
      const core = await plant.coreInUse()
      await step(`${core.name} is frozen with what it holds`, () => core.freeze())
      await plant.devices.rest()
      await lasts(random.between(7_000, 10_000))
      await plant.devices.go()
      await moves()
      await step(`${core.name} is woken`, () => core.wake())
    }
    await moves()
  },
})

/** Half of what a 32-bit base sequence can say, from which the numbers of this epoch are counted. */
const EPOCH_START = -(2 ** 31 - 300)

export const numbersWrap = defineScenario({
  id: 'numbers-wrap',
  title: 'base sequences go past 2147483647, and begin again at 0',
  seconds: 25,
  fullOnly: true,
  plant: async setting => {
    await seedClaims(setting, await makeTopic(setting))
    return { cores: 2, devices: 0, counters: 3, counted: 1_200 }
  },
  async strike({ plant, step, moves, lasts }) {
    for (let kill = 1; kill <= 3; kill++) {
      await moves(50)
      await step('kill -9 of both cores', async () => {
        for (const core of plant.cores) await core.kill9()
      })
      await lasts(300)
      for (const core of plant.cores) core.start()
    }
    await moves()
  },
  judge: (_stage, { log }) => {
    expect(log.records).toBe(3_600)
  },
})

/** Makes the pipeline's topic as a core would, and gives its id. */
async function makeTopic({ kafka, name }: Setting): Promise<string> {
  const topics = (...args: string[]) =>
    kafka.tool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', kafka.bootstrap, '--topic', name, ...args])
  const settings = TOPIC_SETTINGS.flatMap(setting => ['--config', `${setting.name}=${setting.value}`])
  await topics('--create', '--partitions', '8', ...settings)
  const described = await topics('--describe')
  const id = /TopicId: (\S+)/.exec(described.stdout)?.[1]
  if (id === undefined) throw new Error(`topic ${name} was not made: ${described.stdout}${described.stderr}`)
  return id
}

/** Claims as a core would have written them two billion records ago. */
async function seedClaims({ brokers, name: gateway }: Setting, topicId: string): Promise<void> {
  const admin = plainKafka(brokers).admin()
  await admin.connect()
  // Does nothing where a core has made it already.
  await admin.createTopics({ topics: [{ topic: 'headrace.claims', numPartitions: 1, configEntries: [...TOPIC_SETTINGS] }] })
  await admin.disconnect()
  const producer = plainKafka(brokers).producer({ idempotent: false })
  await producer.connect()
  const claims = [1, 2, 3].map(number => ({
    ...{ gateway, source: `counter-${number}`, topic: gateway, topicId, partition: number - 1, epoch: 0, replaces: '-1' },
    ...{ producerId: String(900_000 + number), epochStart: String(EPOCH_START) },
  }))
  await producer.send({
    topic: 'headrace.claims',
    messages: claims.map(claim => ({ key: `${gateway}/${claim.source}`, value: JSON.stringify(claim) })),
  })
  await producer.disconnect()
}
