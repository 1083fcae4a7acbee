import type { Admin } from 'kafkajs'
import kafkajs from 'kafkajs'
import { expect } from 'vitest'
import { headrace } from '../../support/headrace-process.ts'
import { consumeTopic, plainKafka } from '../../support/kafka/consume.ts'
import { until } from '../../support/until.ts'
import { expectedOfOthers, isSettled, type OtherGateways, otherGateway } from '../other-gateways.ts'
import type { Plant } from '../plant.ts'
import { defineScenario, type Setting, type Stage } from '../scenario.ts'
import { TOPIC_SETTINGS } from './logs.ts'

interface Alarm {
  readonly code: string
  readonly source?: string
  readonly message: string
  readonly advice: string
}

async function alarmsOf(plant: Plant, code: string): Promise<Alarm[]> {
  const alarms = ((await plant.edgeStatus())?.alarms ?? []) as readonly Alarm[]
  return alarms.filter(alarm => alarm.code === code)
}

/** Waits until each source has an alarm of this code; gives them. */
function alarmedAll(plant: Plant, code: string): Promise<Alarm[]> {
  const sources = plant.options.devices + plant.options.counters
  return until(
    `${code} of each source`,
    async () => {
      const alarms = await alarmsOf(plant, code)
      return alarms.length === sources && alarms
    },
    90_000,
  )
}

async function administer<Result>({ kafka }: Stage, act: (admin: Admin) => Promise<Result>): Promise<Result> {
  const admin = plainKafka(kafka.addresses).admin()
  await admin.connect()
  try {
    return await act(admin)
  } finally {
    await admin.disconnect()
  }
}

function alter(stage: Stage, settings: Readonly<Record<string, string>>): Promise<unknown> {
  const configEntries = Object.entries({
    ...Object.fromEntries(TOPIC_SETTINGS.map(({ name, value }) => [name, value])),
    ...settings,
  })
  return administer(stage, admin =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: stage.plant.topic,
          configEntries: configEntries.map(([name, value]) => ({ name, value })),
        },
      ],
    }),
  )
}

export const topicSetWrong = defineScenario({
  id: 'topic-set-wrong',
  title:
    'a topic is set to compaction, then to a short retention: a core that starts refuses it with the reason, until it is set right',
  seconds: 30,
  plant: { counted: 1_500 },
  async strike(stage) {
    const { plant, step, moves } = stage
    for (const [name, value] of [
      ['cleanup.policy', 'compact'],
      ['retention.ms', '604800000'],
    ] as const) {
      await moves()
      await step(`the topic is set to ${name}=${value}, and the core starts`, async () => {
        await plant.cores[0]?.kill9()
        await alter(stage, { [name]: value })
        plant.cores[0]?.start()
      })
      for (const { message, advice } of await alarmedAll(plant, 'source_refused')) {
        expect(message).toContain(`${name}=${value}`)
        expect(advice).toContain('kafka-configs --alter')
      }
      await step('the topic is set right', () => alter(stage, {}))
      await moves()
    }
  },
})

export const topicMadeAnew = defineScenario({
  id: 'topic-made-anew',
  title: 'the topic is deleted and made again: frozen, with the reason; each source goes on when a person has said so',
  seconds: 30,
  endsFrozen: true,
  plant: { counted: 100_000 },
  async strike(stage) {
    const { plant, kafka, step, moves } = stage
    await moves()
    await step('the topic is deleted', () => administer(stage, admin => admin.deleteTopics({ topics: [plant.topic] })))
    for (const { message, advice } of await alarmedAll(plant, 'source_refused')) {
      expect(message).toContain(plant.topic)
      expect(advice).toMatch(/headrace source resume|kafka-topics --create/)
    }
    await step('the topic is made again', () =>
      administer(stage, admin =>
        admin.createTopics({ topics: [{ topic: plant.topic, numPartitions: 8, configEntries: [...TOPIC_SETTINGS] }] }),
      ),
    )
    for (const { message, advice } of await alarmedAll(plant, 'source_frozen')) {
      expect(message).toContain('another log')
      expect(advice).toContain('headrace source resume')
    }
    await step('a person says that it is meant', async () => {
      for (const { source } of (await plant.edgeStatus())?.sources ?? []) {
        const { code, stdout, stderr } = await headrace(['source', 'resume', source, '--state', plant.edgeState])
        expect([code, stdout + stderr]).toEqual([0, expect.anything()])
      }
    })
    await moves(100)
    const records = await consumeTopic(kafka.addresses, plant.topic)
    const expected = plant.expected(new Map())
    for (const [key, { records: given, payload }] of expected) {
      const own = records.filter(record => record.key === key)
      expect(own.map(({ offset }) => offset)).toEqual(own.map((_, index) => index))
      expect(own.map(({ headers }) => headers['seq'])).toEqual(own.map((_, index) => String(index)))
      expect([own[0]?.value, own[0]?.headers['gap']]).toEqual([null, expect.stringContaining('resumed')])
      const numbers = new Map(Array.from({ length: given }, (_, number) => [payload(number).toString('latin1'), number]))
      const found = own.slice(1).map(({ value }) => numbers.get(String(value)) ?? -1)
      expect(found.length).toBeGreaterThan(50)
      expect(found).toEqual(found.map((_, index) => (found[0] ?? 0) + index))
    }
  },
})

const PARTITIONS_ADDED = 7
const OTHERS: OtherGateways = { gateways: 3, sources: 6, records: 200, recordsPerSecond: 0 }

/** Some more than there are; false where a core did the same in that moment. */
function addPartitions(stage: Stage): Promise<boolean> {
  return administer(stage, async admin => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [stage.plant.topic] })
    const count = (topics[0]?.partitions.length ?? 0) + PARTITIONS_ADDED
    const added = admin.createPartitions({ topicPartitions: [{ topic: stage.plant.topic, count }] })
    return added.then(
      () => true,
      () => false,
    )
  })
}

export const claimsContested = defineScenario({
  id: 'claims-contested',
  title: 'three gateways before three cores claim partitions of one topic in one moment, and somebody else adds some',
  seconds: 35,
  plant: { cores: 3, devices: 1 },
  async strike(stage) {
    const { plant, step, moves } = stage
    await moves()
    const others = plant.corePorts.map((port, index) => otherGateway(stage, OTHERS, index, [port]))
    try {
      await step('three gateways start, each before a core of its own', () => {
        for (const { process } of others) process.start()
      })
      await step('somebody adds partitions', () => until('they are added', () => addPartitions(stage)))
      await until(
        'all that they have is in the log',
        async () => (await Promise.all(others.map(other => isSettled(stage, other, OTHERS)))).every(Boolean),
        90_000,
      )
      await moves()
    } finally {
      for (const { process } of others) await process.end()
    }
  },
  also: (stage, partitions) => expectedOfOthers(stage, OTHERS, partitions),
})

const TOO_LARGE_BYTES = 300_000
const TOPIC_TAKES_BYTES = 40_000

/** A topic made by somebody whose brokers take small messages only. */
async function topicThatTakes(bytes: number, { brokers, name }: Setting): Promise<void> {
  const admin = plainKafka(brokers).admin()
  await admin.connect()
  const configEntries = [...TOPIC_SETTINGS, { name: 'max.message.bytes', value: String(bytes) }]
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 8, configEntries }] })
  await admin.disconnect()
}

export const smallBatches = defineScenario({
  id: 'small-batches',
  title: 'a topic takes small batches only: a backlog is cut to what it takes, and nothing goes to the dead letters',
  seconds: 30,
  plant: async setting => {
    await topicThatTakes(10_000, setting)
    return { recordsPerSecond: 1_000, counted: 12_000 }
  },
  async strike({ plant, step, moves, lasts }) {
    await moves(200)
    await step('the core is away, and a backlog gathers', () => plant.cores[0]?.kill9())
    await lasts(6_000)
    plant.cores[0]?.start()
    await moves(500)
  },
  async judge({ plant }) {
    const alarms = ((await plant.coreStatus())?.alarms ?? []) as readonly Alarm[]
    expect(alarms.filter(({ code }) => code === 'dead_letter')).toEqual([])
  },
})

export const batchRefused = defineScenario({
  id: 'batch-refused',
  title: 'the broker refuses one batch for good: it goes to the dead letters, a placeholder says so, and the stream goes on',
  seconds: 100,
  fullOnly: true,
  gaps: 'declared exactly',
  plant: async setting => {
    await topicThatTakes(TOPIC_TAKES_BYTES, setting)
    return { devices: 1, counted: 1_500, heavy: { atRecord: 200, bytes: TOO_LARGE_BYTES } }
  },
  async strike({ plant, kafka, step, moves }) {
    await step('waits until a batch of 300 kB is given up: the topic takes none above 40 kB', () =>
      until(
        'a person is told',
        async () => ((await plant.coreStatus())?.alarms as Alarm[] | undefined)?.some(({ code }) => code === 'dead_letter'),
        150_000,
      ),
    )
    await moves()
    const dead = await consumeTopic(kafka.addresses, 'headrace.dead')
    const own = dead.filter(({ headers }) => headers['dead_source'] === `${plant.gateway}/device-1`)
    const bytes = own.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    // The batch as it was sent, compressed: still more than the topic takes.
    expect(bytes).toBeGreaterThan(TOPIC_TAKES_BYTES)
  },
})
