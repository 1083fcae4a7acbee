import type { KafkaCluster } from '../support/kafka/cluster.ts'

export interface JavaRun {
  readonly recordsPerSecond: number
}

const LIMIT_MS = 180_000
/** As a user who wants throughput would set it; acks=all and idempotence are what is compared with. */
const SETTINGS = [
  'acks=all',
  'enable.idempotence=true',
  'compression.type=zstd',
  'linger.ms=10',
  'batch.size=131072',
  'buffer.memory=67108864',
]

/** Kafka's own ProducerPerformance, with no store before it. Its own figure counts from its first record to its last answer. */
export async function runJavaProducer(
  kafka: KafkaCluster,
  options: { topic: string; records: number; payloadFile: string },
): Promise<JavaRun> {
  const { topic, records, payloadFile } = options
  const { code, stdout, stderr } = await kafka.tool(
    'org.apache.kafka.tools.ProducerPerformance',
    [
      ...['--topic', topic, '--num-records', String(records), '--throughput', '-1', '--payload-file', payloadFile],
      ...['--producer-props', `bootstrap.servers=${kafka.bootstrap}`, ...SETTINGS],
    ],
    { limitMs: LIMIT_MS, javaFlags: ['-Xmx512m'] },
  )
  const last = stdout.trim().split('\n').at(-1) ?? ''
  const match = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(last)
  if (code !== 0 || !match || Number(match[1]) !== records) throw new Error(`ProducerPerformance failed:\n${stdout}${stderr}`)
  return { recordsPerSecond: Number(match[2]) }
}
