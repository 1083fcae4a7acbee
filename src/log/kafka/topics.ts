import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { silentLogger } from '../../runtime/logger.ts'
import type { KafkaOptions } from '../options.ts'
import { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'
import { createPartitions, createTopic, deleteTopics, describeConfigs, type Verdict } from './topic-apis.ts'

/** How long the controller may take to make something, ms. */
const MAKE_LIMIT_MS = 5_000
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
  const settings = NEEDED.map(({ name, value }) => ({
    name,
    value: plan.compacted && name === 'cleanup.policy' ? 'compact' : value,
  }))
  settings.push({ name: 'min.insync.replicas', value: replication >= 3 ? '2' : '1' })
  const { topic, partitions } = plan
  const wanted = { topic, partitions, replication, settings, timeoutMs: MAKE_LIMIT_MS }
  const made = await cluster.askController(createTopic, wanted, MAKE_LIMIT_MS)
  // Another core may make it in the same moment.
  if (made.error !== KAFKA_ERROR.none && made.error !== KAFKA_ERROR.topicAlreadyExists)
    throw refused(`topic ${topic} could not be made with ${replication} replica${replication === 1 ? '' : 's'}`, made)
  await cluster.refresh([plan.topic])
}

/** The settings of a topic that are not what they have to be, with what they have to be and why. */
export function wrongSettings(values: ReadonlyMap<string, string>): readonly (typeof NEEDED)[number][] {
  return NEEDED.filter(({ name, value }) => values.has(name) && values.get(name) !== value)
}

async function checkTopic(cluster: KafkaCluster, topic: string): Promise<void> {
  const found = await cluster.ask(describeConfigs, { type: 'topic', name: topic })
  if (found.error !== KAFKA_ERROR.none) throw refused(`the settings of topic ${topic} could not be read`, found)
  const values = found.settings
  const wrong = wrongSettings(values)
  if (wrong.length === 0) return
  const said = wrong.map(({ name, value, why }) => `${name}=${values.get(name)}, needed is ${value} (${why})`).join('; ')
  throw new HeadraceError('topic_refused', `topic ${topic} is set so that nothing can be promised: ${said}`, {
    advice: `Set it right: kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config ${wrong.map(({ name, value }) => `${name}=${value}`).join(',')}; or name another topic in the pipeline.`,
  })
}

/** Adds partitions up to `count`; somebody else may have added them meanwhile, or more. */
export async function addPartitions(cluster: KafkaCluster, topic: string, count: number): Promise<void> {
  const wanted = { topic, count, timeoutMs: MAKE_LIMIT_MS }
  try {
    const made = await cluster.askController(createPartitions, wanted, MAKE_LIMIT_MS)
    // It has as many already, or more, whether every broker knows that yet or not.
    if (made.error !== KAFKA_ERROR.none && made.error !== KAFKA_ERROR.invalidPartitions)
      throw refused(`topic ${topic} could not be given more partitions`, made)
  } finally {
    await cluster.refresh([topic])
  }
}

const E = KAFKA_ERROR
const RIGHTS = 'Give this core what it is not allowed: `headrace acls --config core.yaml` prints the rules.'
/** What no time mends, and what a person does about it. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [E.topicAuthorizationFailed, RIGHTS],
  [E.clusterAuthorizationFailed, RIGHTS],
  [E.invalidTopic, 'Kafka takes no such name: name another topic in the pipeline (`topic:`).'],
  [
    E.invalidReplicationFactor,
    'Start the brokers that are missing, or set `replication` under `log.kafka` in core.yaml to no more than there are.',
  ],
  [E.invalidConfig, 'Let the brokers take the settings of docs/reference.md, or make the topic yourself, with these settings.'],
  [
    E.policyViolation,
    'A policy of the brokers (create.topic.policy.class.name) forbids it: let it take what Headrace needs, or make the topic yourself, with its settings.',
  ],
])

function refused(what: string, { error, message }: Verdict): HeadraceError {
  const advice = REFUSED.get(error)
  const why = `Kafka error ${error}${message ? `: ${message}` : ''}`
  return new HeadraceError(advice === undefined ? 'log_unavailable' : 'topic_refused', `${what}: ${why}`, {
    ...(advice !== undefined && { advice }),
  })
}

/** Deletes a topic that was made for a trial; one that is not there is nothing to be said of. */
export async function deleteTopic(options: KafkaOptions, topic: string, clock: Clock): Promise<void> {
  const cluster = new KafkaCluster(options, clock, silentLogger)
  try {
    const found = await cluster.describe([topic])
    if (found.topics[0]?.error !== 0) return
    const { error, message } = await cluster.askController(deleteTopics, { topic, timeoutMs: MAKE_LIMIT_MS }, MAKE_LIMIT_MS)
    if (error !== KAFKA_ERROR.none) throw refused(`topic ${topic} could not be deleted`, { error, message })
  } finally {
    await cluster.close()
  }
}
