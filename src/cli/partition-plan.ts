import type { LoadedPipeline } from '../config/load.ts'
import { topicsOfAnalysers } from './pipeline-topics.ts'

/** Replicas that a broker carries well; more, and elections and restarts take minutes. */
export const REPLICAS_PER_BROKER_MAX = 4_000
/** Partitions are added to a topic so many at a time (src/log/kafka/registry.ts). */
const PARTITIONS_STEP = 8
/** Topics of Headrace's own: claims, the view of sources and the register of certificates have one partition; dead letters, poison and states a step each. */
const OWN_PARTITIONS = 3 + 3 * PARTITIONS_STEP

export interface PlanInput {
  readonly pipelines: readonly {
    readonly pipeline: LoadedPipeline
    /** Gateways that run it. */
    readonly gateways: number
  }[]
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
  /** Headrace's own topics. */
  readonly own: { readonly partitions: number; readonly replicas: number }
  readonly partitions: number
  readonly replicas: number
  readonly replicasPerBroker: number
  readonly replicasPerBrokerMax: number
  readonly brokersNeeded: number
  readonly fits: boolean
  readonly advice: readonly string[]
}

/** What these pipelines cost a Kafka cluster: a partition for each source, in as many copies as there are replicas. */
export function planPartitions({ pipelines, brokers, replication, replicasPerBroker }: PlanInput): PartitionPlan {
  const sourcesByTopic = new Map<string, number>()
  const add = (topic: string, sources: number) => sourcesByTopic.set(topic, (sourcesByTopic.get(topic) ?? 0) + sources)
  for (const { pipeline, gateways } of pipelines) {
    add(pipeline.topic, Object.keys(pipeline.config.sources).length * gateways)
    for (const topic of topicsOfAnalysers(pipeline)) add(topic, 1)
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
  if (brokers < replication)
    advice.push(
      `${brokers} broker${brokers === 1 ? ' holds' : 's hold'} ${copies} of the ${replication} copies that were asked for.`,
    )
  for (const { topic, partitions: count } of topics) {
    if (count > replicasPerBroker)
      advice.push(
        `Give the gateways of ${topic} several pipelines with a \`topic:\` of their own (by site, say): consumers of one topic with ${count} partitions are slow to start. Sources that have a partition keep it: the map from source to partition never changes.`,
      )
  }
  return {
    topics,
    own: { partitions: OWN_PARTITIONS, replicas: OWN_PARTITIONS * copies },
    partitions,
    replicas,
    replicasPerBroker: perBroker,
    replicasPerBrokerMax: replicasPerBroker,
    brokersNeeded,
    fits,
    advice,
  }
}
