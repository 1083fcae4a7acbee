import type { ClusterOptions, KafkaCluster } from '../support/kafka/cluster.ts'
import type { SeededRandom } from '../support/random.ts'
import type { ExpectedSource, Verdict } from './checker.ts'
import type { KafkaProxy } from './faults/kafka-proxy.ts'
import type { Plant, PlantOptions } from './plant.ts'

/** What a scenario works with. */
export interface Stage {
  readonly plant: Plant
  readonly kafka: KafkaCluster
  /** One before each node, where the scenario is `proxied`. */
  readonly proxies: readonly KafkaProxy[]
  /** All that is left to chance comes from here, in the order of the scenario's steps: the same seed strikes the same way. */
  readonly random: SeededRandom
  /** Does one step of the schedule, and says so. */
  step(what: string, act?: () => unknown): Promise<void>
  /** Waits until so many more records of every source are in the log. */
  moves(records?: number): Promise<void>
  /** Waits without a condition: for faults that have to last, never for something to become true. */
  lasts(ms: number): Promise<void>
}

/** What was found after a scenario. */
export interface Proof {
  /** By a consumer that reads everything afterwards. */
  readonly log: Verdict
  /** By one that was reading all the time. */
  readonly live: Verdict
  readonly contradictions: readonly string[]
  /** What is wrong with what the batch job was given. */
  readonly batch: readonly string[]
}

export interface Scenario {
  /** Short name, in kebab case: also its gateway's and its topic's. */
  readonly id: string
  /** The claim, as a sentence about what is done. */
  readonly title: string
  /** What it takes on two quiet cores, about, s. */
  readonly seconds: number
  /** Taken only where all are asked for: it takes long, or a machine that does nothing else. */
  readonly fullOnly?: true
  readonly plant?: Partial<PlantOptions> | ((context: Setting) => Promise<Partial<PlantOptions>>)
  /** A cluster of its own, for one that hurts brokers; the shared broker unless given. */
  readonly cluster?: ClusterOptions | (() => Promise<ClusterOptions>)
  /** Cores reach the one broker of the scenario's own cluster through a proxy. */
  readonly proxied?: true
  strike(stage: Stage): Promise<void>
  /** Records that may be missing, said in gaps: none unless given. */
  readonly gaps?: 'declared' | 'declared exactly'
  /** It ends where a person has to decide: it judges by itself, and nothing is waited for afterwards. */
  readonly endsFrozen?: true
  /** Mounts, namespaces and the like. */
  readonly needsRoot?: true
  /** How long everything may take to arrive afterwards, ms; two minutes unless given. */
  readonly restLimitMs?: number
  /** How long the next records may take, ms; two minutes unless given. */
  readonly moveLimitMs?: number
  /** Looks at more than what every scenario is judged by. */
  judge?(stage: Stage, proof: Proof): Promise<void> | void
  /** What other gateways gave into the same topic. */
  also?(stage: Stage, partitions: ReadonlyMap<string, number>): Map<string, ExpectedSource>
  /** Takes away what it set up beside the plant. */
  cleanUp?(): Promise<void> | void
}

/** What is there before the plant is. */
export interface Setting {
  readonly kafka: KafkaCluster
  readonly brokers: readonly string[]
  /** The gateway's and the topic's. */
  readonly name: string
  readonly random: SeededRandom
}

export function defineScenario(scenario: Scenario): Scenario {
  return scenario
}
