import type { LoadedPipeline } from '../config/load.ts'
import { topicsOfAnalysers } from './pipeline-topics.ts'

/** Who has to do with Kafka: cores, which write, and consumers, which read. Gateways never speak with Kafka. */
export const COMPONENTS = ['core', 'reader'] as const
export type Component = (typeof COMPONENTS)[number]

/** One rule, as `kafka-acls` takes it. */
export interface KafkaAcl {
  readonly component: Component
  readonly principal: string
  readonly operations: readonly string[]
  readonly resource: readonly string[]
  readonly pattern: 'literal' | 'prefixed'
}

/** What begins so is Headrace's own: claims, the view of sources, dead letters, groups of its jobs. */
const OWN = 'headrace.'
const SOURCES_VIEW = 'headrace.sources'
const OWN_OPERATIONS = ['Create', 'Describe', 'DescribeConfigs', 'Read', 'Write'] as const

/**
 * The rules under which everything of these pipelines works: a core makes, reads, extends and trims the topics of its pipelines, and writes there; a
 * reader reads them, and the view that says where each source lies.
 */
export function kafkaAcls(
  pipelines: readonly LoadedPipeline[],
  components: readonly Component[],
  principals: Readonly<Record<Component, string>>,
): KafkaAcl[] {
  const topics = [...new Set(pipelines.flatMap(pipeline => [pipeline.topic, ...topicsOfAnalysers(pipeline)]))].sort()
  const of = (
    component: Component,
    operations: readonly string[],
    resource: readonly string[],
    pattern: KafkaAcl['pattern'] = 'literal',
  ) => ({ component, principal: principals[component], operations, resource, pattern }) as const
  const core = [
    of('core', OWN_OPERATIONS, ['--topic', OWN], 'prefixed'),
    of('core', [...OWN_OPERATIONS, 'Alter', 'Delete'], named(topics)),
    of('core', ['Read', 'Describe'], ['--group', OWN], 'prefixed'),
    of('core', ['Describe', 'IdempotentWrite'], ['--cluster']),
  ]
  const reader = [
    of('reader', ['Read', 'Describe'], named([...topics, SOURCES_VIEW])),
    of('reader', ['Read', 'Describe'], ['--group', '*']),
  ]
  return [...(components.includes('core') ? core : []), ...(components.includes('reader') ? reader : [])]
}

function named(topics: readonly string[]): string[] {
  return topics.flatMap(topic => ['--topic', topic])
}
