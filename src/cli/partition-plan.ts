import type { LoadedPipeline } from '../config/load.ts'

/** Replicas that a broker carries well; more, and elections and restarts take minutes. */
export const REPLICAS_PER_BROKER_MAX = 4_000
/** Partitions are added to a topic so many at a time (src/log/kafka/registry.ts). */
const PARTITIONS_STEP = 8
/** Topics of Headrace's own, of one partition each: claims, the view of sources, dead letters. */
const OWN_PARTITIONS = 3

export interface PlanInput {
  readonly pipelines: readonly LoadedPipeline[]
  /** Gateways that run each of these pipelines. */
  readonly gateways: number
  readonly brokers: number
  readonly replication: number
  readonly replicasPerBroker: number
}

export interface PartitionPlan {
  readonly topics: readonly {
    readonly topic: string
    readonly sources: number
    readonly partitions: number
    readonly replicas: number
  }[]
  readonly partitions: number
  readonly replicas: number
  readonly replicasPerBroker: number
  readonly replicasPerBrokerMax: number
  readonly brokersNeeded: number
  readonly fits: boolean
  readonly advice: readonly string[]
}

/** What these pipelines cost a Kafka cluster: a partition for each source, in as many copies as there are replicas. */
export function planPartitions({ pipelines, gateways, brokers, replication, replicasPerBroker }: PlanInput): PartitionPlan {
  const sourcesByTopic = new Map<string, number>()
  for (const { topic, config } of pipelines) {
    sourcesByTopic.set(topic, (sourcesByTopic.get(topic) ?? 0) + Object.keys(config.sources).length * gateways)
  }
  const copies = Math.min(replication, brokers)
  const topics = [...sourcesByTopic].map(([topic, sources]) => {
    const partitions = Math.ceil(sources / PARTITIONS_STEP) * PARTITIONS_STEP
    return { topic, sources, partitions, replicas: partitions * copies }
  })
  const partitions = topics.reduce((sum, topic) => sum + topic.partitions, OWN_PARTITIONS)
  const replicas = partitions * copies
  const perBroker = Math.ceil(replicas / brokers)
  const brokersNeeded = Math.max(copies, Math.ceil(replicas / replicasPerBroker))
  const fits = perBroker <= replicasPerBroker
  const advice = fits ? [] : [`${brokersNeeded} brokers carry this, or a second cluster for some of the pipelines.`]
  for (const { topic, partitions: count } of topics) {
    if (count > replicasPerBroker)
      advice.push(
        `Give the gateways of ${topic} several pipelines with a \`topic:\` of their own (by site, say): consumers of one topic with ${count} partitions are slow to start. Sources that have a partition keep it: the map from source to partition never changes.`,
      )
  }
  return {
    topics,
    partitions,
    replicas,
    replicasPerBroker: perBroker,
    replicasPerBrokerMax: replicasPerBroker,
    brokersNeeded,
    fits,
    advice,
  }
}
