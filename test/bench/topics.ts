import type { KafkaCluster } from '../support/kafka/cluster.ts'

/** What differs from a broker's defaults in a topic that a core takes. */
const SETTINGS = { 'retention.ms': '-1', 'message.timestamp.after.max.ms': '9223372036854775807' }

export async function createTopic(kafka: KafkaCluster, topic: string, partitions: number): Promise<void> {
  const size = ['--partitions', String(partitions), '--replication-factor', '1']
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['--config', `${name}=${value}`])
  await topicTool(kafka, ['--create', '--topic', topic, ...size, ...settings])
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
