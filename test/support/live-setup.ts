import type { TestProject } from 'vitest/node'
import { KafkaCluster } from './kafka/cluster.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of one real broker that all live tests share: a test that stops brokers starts its own {@link KafkaCluster}. */
    kafkaBootstrap: string
  }
}

/** Before the first live test: provisions Kafka and starts the shared broker. After the last: ends it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await KafkaCluster.start()
  project.provide('kafkaBootstrap', cluster.bootstrap)
  return () => cluster.stop()
}
