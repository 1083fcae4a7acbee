import type { KafkaCluster } from '../support/kafka/cluster.ts'

export async function createTopic(kafka: KafkaCluster, topic: string, partitions: number): Promise<void> {
  await topicTool(kafka, ['--create', '--topic', topic, '--partitions', String(partitions), '--replication-factor', '1'])
}

/** So that the disk and the page cache do not fill from one round to the next. */
export async function deleteTopics(kafka: KafkaCluster, ...topics: readonly string[]): Promise<void> {
  // The tool takes an expression; each of its starts takes more than a second.
  await topicTool(kafka, ['--delete', '--topic', topics.map(topic => topic.replaceAll('.', '\\.')).join('|')])
}

async function topicTool(kafka: KafkaCluster, args: readonly string[]): Promise<void> {
  const tool = 'org.apache.kafka.tools.TopicCommand'
  const { code, stdout, stderr } = await kafka.tool(tool, ['--bootstrap-server', kafka.bootstrap, ...args])
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
}
