import kafkajs from 'kafkajs'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { silentLogger } from '../../runtime/logger.ts'
import type { KafkaOptions } from '../options.ts'
import { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'

const LONG_MAX = '9223372036854775807'

/** What a topic has to be set to, so that what is promised can be kept. A reason for each, since somebody will ask. */
const NEEDED: readonly { readonly name: string; readonly value: string; readonly why: string }[] = [
  { name: 'cleanup.policy', value: 'delete', why: 'compaction would take numbers out' },
  { name: 'retention.ms', value: '-1', why: 'late data has old timestamps, and would be deleted minutes after it came' },
  { name: 'retention.bytes', value: '-1', why: 'the broker does not know which records the batch jobs still need' },
  { name: 'message.timestamp.type', value: 'CreateTime', why: 'records keep the time at which they were read' },
  { name: 'message.timestamp.after.max.ms', value: LONG_MAX, why: 'a gateway whose clock is ahead would be refused' },
  { name: 'message.timestamp.before.max.ms', value: LONG_MAX, why: 'a gateway whose clock is behind would be refused' },
  { name: 'compression.type', value: 'producer', why: 'batches are kept as the gateway made them' },
]

export interface TopicPlan {
  readonly topic: string
  readonly partitions: number
  readonly replication: number | undefined
  /** Only the latest record of each key is kept: for views, which nobody decides from. */
  readonly compacted?: true
}

/** Makes a topic where it is missing, and checks one that is there. Rejects with `topic_refused`, naming every setting that is wrong. */
export async function ensureTopic(cluster: KafkaCluster, plan: TopicPlan): Promise<void> {
  const found = await cluster.describe([plan.topic])
  if (found.topics[0]?.error === 0) return plan.compacted ? undefined : checkTopic(cluster, plan.topic)
  const replication = plan.replication ?? (found.brokers.length >= 3 ? 3 : 1)
  const admin = await cluster.admin()
  try {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [
        {
          topic: plan.topic,
          numPartitions: plan.partitions,
          replicationFactor: replication,
          configEntries: [
            ...NEEDED.map(({ name, value }) => ({
              name,
              value: plan.compacted && name === 'cleanup.policy' ? 'compact' : value,
            })),
            { name: 'min.insync.replicas', value: replication >= 3 ? '2' : '1' },
          ],
        },
      ],
    })
  } catch (cause) {
    throw new HeadraceError('log_unavailable', `topic ${plan.topic} could not be made: ${messageOf(cause)}`, { cause })
  }
  await cluster.refresh([plan.topic])
}

/** The settings of a topic that are not what they have to be, with what they have to be and why. */
export function wrongSettings(values: ReadonlyMap<string, string>): readonly (typeof NEEDED)[number][] {
  return NEEDED.filter(({ name, value }) => values.has(name) && values.get(name) !== value)
}

async function checkTopic(cluster: KafkaCluster, topic: string): Promise<void> {
  const admin = await cluster.admin()
  let entries: readonly { configName: string; configValue: string }[]
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
    })
    entries = resources[0]?.configEntries ?? []
  } catch (cause) {
    throw new HeadraceError('log_unavailable', `the settings of topic ${topic} could not be read: ${messageOf(cause)}`, { cause })
  }
  const values = new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
  const wrong = wrongSettings(values)
  if (wrong.length === 0) return
  const said = wrong.map(({ name, value, why }) => `${name}=${values.get(name)}, needed is ${value} (${why})`).join('; ')
  throw new HeadraceError('topic_refused', `topic ${topic} is set so that nothing can be promised: ${said}`, {
    advice: `Set it right: kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config ${wrong.map(({ name, value }) => `${name}=${value}`).join(',')}; or name another topic in the pipeline.`,
  })
}

/** Adds partitions up to `count`; somebody else may have added them meanwhile, or more. */
export async function addPartitions(cluster: KafkaCluster, topic: string, count: number): Promise<void> {
  const admin = await cluster.admin()
  try {
    await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  } catch (cause) {
    // It has as many already, or more, whether every broker knows that yet or not.
    if ((cause as { code?: number }).code === KAFKA_ERROR.invalidPartitions) return
    throw new HeadraceError('log_unavailable', `partitions could not be added to ${topic}: ${messageOf(cause)}`, { cause })
  } finally {
    await cluster.refresh([topic])
  }
}

/** Deletes a topic that was made for a trial; one that is not there is nothing to be said of. */
export async function deleteTopic(options: KafkaOptions, topic: string, clock: Clock): Promise<void> {
  const cluster = new KafkaCluster(options, clock, silentLogger)
  try {
    const found = await cluster.describe([topic])
    if (found.topics[0]?.error === 0) await (await cluster.admin()).deleteTopics({ topics: [topic] })
  } finally {
    await cluster.close()
  }
}
